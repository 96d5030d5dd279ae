import { useRef, useState } from 'react';
import { Link } from 'react-router';

import { useResetPassword } from '@/features/auth/api/mail-links';
import { AuthCard } from '@/features/auth/components/AuthCard';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { PasswordRules } from '@/features/auth/components/PasswordRules';
import { formErrors } from '@/features/auth/field-errors';
import { passwordRules } from '@/features/auth/password-rules';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { useLinkToken } from '@/features/auth/use-link-token';
import { DEFAULT_PASSWORD_POLICY, useConfig } from '@/shared/api/get-config';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

/** A password that breaks a rule leaves the link good, so the form can be sent again. */
export function ResetPasswordPage() {
  const token = useLinkToken();
  const config = useConfig();
  const form = useRef<HTMLFormElement>(null);
  const [password, setPassword] = useState('');
  const reset = useResetPassword();
  const errors = formErrors(reset.error, ['new_password']);
  useFocusFirstError(form, reset.error);
  const policy = config.data?.password ?? DEFAULT_PASSWORD_POLICY;
  return (
    <AuthCard title="Set a new password">
      {token === null && <Alert tone="danger">This link is not whole. Copy all of it from the mail.</Alert>}
      {reset.isSuccess && <Alert>The password is changed. Every session has ended: sign in again.</Alert>}
      {token !== null && !reset.isSuccess && (
        <form
          ref={form}
          className="auth-form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (reset.isPending) return;
            reset.mutate(
              { token, password },
              {
                onSuccess: () => {
                  setPassword('');
                },
              },
            );
          }}
        >
          <ErrorAlert error={errors.rest} />
          <PasswordField
            name="new_password"
            label="New password"
            value={password}
            onChange={setPassword}
            autoComplete="new-password"
            hint={<PasswordRules rules={passwordRules(password, [], policy)} />}
            errors={errors.of('new_password')}
          />
          <Button type="submit" look="primary" busy={reset.isPending}>
            {reset.isPending ? 'Setting…' : 'Set the password'}
          </Button>
        </form>
      )}
      <p className="auth-aside">
        <Link to="/forgot-password">Ask for another link</Link> or <Link to="/sign-in">sign in</Link>
      </p>
    </AuthCard>
  );
}
