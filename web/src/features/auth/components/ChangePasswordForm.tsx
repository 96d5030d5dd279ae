import { useRef, useState } from 'react';

import { useChangePassword } from '@/features/auth/api/change-password';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { PasswordRules } from '@/features/auth/components/PasswordRules';
import { formErrors } from '@/features/auth/field-errors';
import { passwordRules } from '@/features/auth/password-rules';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type PasswordPolicy } from '@/shared/api/get-config';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

interface Props {
  policy: PasswordPolicy;
  /** The address and the name, which must not be in the password. */
  identity: readonly string[];
  /** For password managers: whose password it is. */
  email: string;
}

/** As at registration, the server judges; the passwords leave the form once they are changed. */
export function ChangePasswordForm({ policy, identity, email }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [endOthers, setEndOthers] = useState(true);
  const change = useChangePassword();
  const errors = formErrors(change.error, ['current_password', 'new_password'], {
    'wrong-password': 'current_password',
  });
  useFocusFirstError(form, change.error);
  return (
    <form
      ref={form}
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (change.isPending) return;
        change.mutate(
          { current, next, endOthers },
          {
            onSuccess: () => {
              setCurrent('');
              setNext('');
            },
          },
        );
      }}
    >
      <ErrorAlert error={errors.rest} />
      {change.isSuccess && <Alert>The password is changed.</Alert>}
      <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
      <PasswordField
        name="current_password"
        label="Current password"
        value={current}
        onChange={setCurrent}
        autoComplete="current-password"
        errors={errors.of('current_password')}
      />
      <PasswordField
        name="new_password"
        label="New password"
        value={next}
        onChange={setNext}
        autoComplete="new-password"
        hint={<PasswordRules rules={passwordRules(next, identity, policy)} />}
        errors={errors.of('new_password')}
      />
      <label>
        <input
          type="checkbox"
          checked={endOthers}
          onChange={(event) => {
            setEndOthers(event.target.checked);
          }}
        />{' '}
        Sign out everywhere else
      </label>
      <Button type="submit" look="primary" busy={change.isPending}>
        {change.isPending ? 'Changing…' : 'Change password'}
      </Button>
    </form>
  );
}
