import { useState } from 'react';

import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

interface Props {
  action: string;
  busy: boolean;
  error: unknown;
  onCode: (code: string) => void;
}

/** Asks for a code of the authenticator app. */
export function CodeForm({ action, busy, error, onCode }: Props) {
  const [code, setCode] = useState('');
  return (
    <form
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) onCode(code.replaceAll(/\s/g, ''));
      }}
    >
      <ErrorAlert error={error} />
      <Field
        name="code"
        label="Code from your authenticator app"
        hint="Six digits."
        inputMode="numeric"
        autoComplete="one-time-code"
        required
        value={code}
        onChange={(event) => {
          setCode(event.target.value);
        }}
      />
      <Button type="submit" look="primary" busy={busy}>
        {action}
      </Button>
    </form>
  );
}
