import { useRef, useState } from 'react';
import { Link } from 'react-router';

import { useConfirmEmail } from '@/features/auth/api/mail-links';
import { AuthCard } from '@/features/auth/components/AuthCard';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { useLinkToken } from '@/features/auth/use-link-token';
import { ProblemError } from '@/shared/api/problem';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

/** Asks before it confirms: programs that open the links of mails to look at them must not use them up. */
export function ConfirmEmailPage() {
  const token = useLinkToken();
  const [isConfirmed, setConfirmed] = useState(false);
  return (
    <AuthCard title="Confirm your address">
      {token === null && <Alert tone="danger">This link is not whole. Copy all of it from the mail.</Alert>}
      {isConfirmed && <Alert>Your address is confirmed.</Alert>}
      {token !== null && !isConfirmed && (
        <ConfirmForm
          token={token}
          onConfirmed={() => {
            setConfirmed(true);
          }}
        />
      )}
      <p className="auth-aside">
        <Link to="/">Go on to Gatelog</Link>
      </p>
    </AuthCard>
  );
}

/** The link of a registration also wants its password, since somebody else may have registered this address. */
function ConfirmForm({ token, onConfirmed }: { token: string; onConfirmed: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const [asksPassword, setAsksPassword] = useState(false);
  const [password, setPassword] = useState('');
  const confirm = useConfirmEmail();
  // The first click only finds out that it is wanted: nothing is wrong yet.
  const error = asksPassword && confirm.variables?.password === undefined ? null : confirm.error;
  const errors = formErrors(error, ['password'], { 'wrong-password': 'password' });
  useFocusFirstError(form, error);
  return (
    <form
      ref={form}
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (confirm.isPending) return;
        confirm.mutate(asksPassword ? { token, password } : { token }, {
          onSuccess: onConfirmed,
          onError: (refused) => {
            if (wantsPassword(refused)) setAsksPassword(true);
          },
        });
      }}
    >
      <ErrorAlert error={errors.rest} />
      {asksPassword && (
        <>
          <p>
            This address was registered with a password. If it was not you who registered it, close this page.
          </p>
          <PasswordField
            label="The password that you chose"
            value={password}
            onChange={setPassword}
            autoComplete="current-password"
            errors={errors.of('password')}
          />
        </>
      )}
      <Button type="submit" look="primary" busy={confirm.isPending}>
        {confirm.isPending ? 'Confirming…' : 'Confirm the address'}
      </Button>
    </form>
  );
}

function wantsPassword(error: Error): boolean {
  return error instanceof ProblemError && error.fields.some(({ field }) => field === 'password');
}
