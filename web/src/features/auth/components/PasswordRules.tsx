import { type Rule } from '@/features/auth/password-rules';

import './password-rules.css';

/** The rules as a list that is ticked off while the password is typed. */
export function PasswordRules({ rules }: { rules: readonly Rule[] }) {
  return (
    <ul className="rules" aria-label="Password rules">
      {rules.map(({ code, text, met }) => (
        <li key={code} data-rule={code} data-met={met}>
          {text}
          <span className="visually-hidden">{met ? ' (met)' : ' (not met)'}</span>
        </li>
      ))}
    </ul>
  );
}
