import { useRef, useState } from 'react';
import { Link } from 'react-router';

import { useAskForReset } from '@/features/auth/api/mail-links';
import { AuthCard } from '@/features/auth/components/AuthCard';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

/** Says the same whether there is such an account: the server does not tell, and neither does the page. */
export function ForgotPasswordPage() {
  const form = useRef<HTMLFormElement>(null);
  const [email, setEmail] = useState('');
  const ask = useAskForReset();
  const errors = formErrors(ask.error, ['email']);
  useFocusFirstError(form, ask.error);
  return (
    <AuthCard title="Forgot your password?">
      <form
        ref={form}
        className="auth-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!ask.isPending) ask.mutate(email.trim());
        }}
      >
        <ErrorAlert error={errors.rest} />
        {ask.isSuccess && (
          <Alert>
            If there is an account with this address, a link is on its way to it. It is good for an hour.
          </Alert>
        )}
        <Field
          name="email"
          label="E-mail address"
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => {
            setEmail(event.target.value);
          }}
          errors={errors.of('email')}
        />
        <Button type="submit" look="primary" busy={ask.isPending}>
          {ask.isPending ? 'Sending…' : 'Send me a link'}
        </Button>
      </form>
      <p className="auth-aside">
        <Link to="/sign-in">Sign in</Link>
      </p>
    </AuthCard>
  );
}
