import { useState } from 'react';

import { useReauthenticate } from '@/features/admin/api/reauthenticate';
import { ProblemError } from '@/shared/api/problem';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

interface Props {
  error: unknown;
  /** Does again what failed. */
  onAgain: () => void;
}

/** What went wrong. Where only a recent proof of identity is missing, asks for it and goes on. */
export function Failure({ error, onAgain }: Props) {
  const isOld = error instanceof ProblemError && error.slug === 'reauthentication-required';
  return isOld ? <PasswordForm onDone={onAgain} /> : <ErrorAlert error={error} />;
}

function PasswordForm({ onDone }: { onDone: () => void }) {
  const [password, setPassword] = useState('');
  const reauthenticate = useReauthenticate();
  return (
    <form
      className="admin-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!reauthenticate.isPending) reauthenticate.mutate(password, { onSuccess: onDone });
      }}
    >
      <Alert>You signed in a while ago. Enter your password to go on.</Alert>
      <ErrorAlert error={reauthenticate.error} />
      <Field
        name="password"
        label="Your password"
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => {
          setPassword(event.target.value);
        }}
      />
      <Button type="submit" look="primary" busy={reauthenticate.isPending}>
        Go on
      </Button>
    </form>
  );
}
