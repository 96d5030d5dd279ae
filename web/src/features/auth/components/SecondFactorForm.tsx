import { useState } from 'react';

import { useSecondFactor } from '@/features/auth/api/second-factor';
import { type Challenge } from '@/features/auth/api/sign-in';
import { ProblemError } from '@/shared/api/problem';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

type Method = 'totp' | 'recovery_code';

const FIELDS = {
  totp: { label: 'Code from your authenticator app', hint: 'Six digits.', inputMode: 'numeric' },
  recovery_code: { label: 'Recovery code', hint: 'Each works once.', inputMode: 'text' },
} as const;

interface Props {
  challenge: Challenge;
  /** The challenge is used up; the password is due again. */
  onExpired: () => void;
}

export function SecondFactorForm({ challenge, onExpired }: Props) {
  const [method, setMethod] = useState<Method>(challenge.methods.includes('totp') ? 'totp' : 'recovery_code');
  const [code, setCode] = useState('');
  const secondFactor = useSecondFactor();
  const submit = () => {
    const typed = code.replaceAll(/\s/g, '');
    const answer = method === 'totp' ? { code: typed } : { recovery_code: typed };
    secondFactor.mutate(
      { challenge: challenge.challenge, ...answer },
      {
        onError: (error) => {
          if (error instanceof ProblemError && error.status === 410) onExpired();
        },
      },
    );
  };
  return (
    <form
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!secondFactor.isPending) submit();
      }}
    >
      <ErrorAlert error={secondFactor.error} />
      <Field
        name="code"
        {...FIELDS[method]}
        autoComplete="one-time-code"
        autoCapitalize="off"
        spellCheck={false}
        required
        value={code}
        onChange={(event) => {
          setCode(event.target.value);
        }}
      />
      <Button type="submit" look="primary" busy={secondFactor.isPending}>
        {secondFactor.isPending ? 'Checking…' : 'Continue'}
      </Button>
      {challenge.methods.length > 1 && (
        <Button
          look="quiet"
          onClick={() => {
            setMethod(method === 'totp' ? 'recovery_code' : 'totp');
            setCode('');
          }}
        >
          {method === 'totp' ? 'Use a recovery code instead' : 'Use the authenticator app instead'}
        </Button>
      )}
    </form>
  );
}
