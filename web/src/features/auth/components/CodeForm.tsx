import { useState } from 'react';

import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

interface Props {
  action: string;
  busy: boolean;
  error: unknown;
  onCode: (code: string) => void;
  /** Where a recovery code does, too. */
  onRecoveryCode?: (code: string) => void;
}

const FIELDS = {
  app: { label: 'Code from your authenticator app', hint: 'Six digits.', inputMode: 'numeric' },
  recovery: { label: 'Recovery code', hint: 'Each works once.', inputMode: 'text' },
} as const;

/** Asks for a code of the authenticator app. */
export function CodeForm({ action, busy, error, onCode, onRecoveryCode }: Props) {
  const [kind, setKind] = useState<keyof typeof FIELDS>('app');
  const [code, setCode] = useState('');
  const send = kind === 'app' ? onCode : onRecoveryCode;
  return (
    <form
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send?.(code.replaceAll(/\s/g, ''));
      }}
    >
      <ErrorAlert error={error} />
      <Field
        name="code"
        {...FIELDS[kind]}
        autoComplete="one-time-code"
        autoCapitalize="off"
        spellCheck={false}
        required
        value={code}
        onChange={(event) => {
          setCode(event.target.value);
        }}
      />
      <Button type="submit" look="primary" busy={busy}>
        {action}
      </Button>
      {onRecoveryCode && (
        <Button
          look="quiet"
          onClick={() => {
            setKind(kind === 'app' ? 'recovery' : 'app');
            setCode('');
          }}
        >
          {kind === 'app' ? 'Use a recovery code instead' : 'Use the authenticator app instead'}
        </Button>
      )}
    </form>
  );
}
