import { type ReactNode, useRef, useState } from 'react';

import { type Challenge, useSignIn } from '@/features/auth/api/sign-in';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

interface Props {
  email: string;
  /** Why the reader is here; gives way to the outcome of an attempt. */
  notice: ReactNode;
  onChallenge: (challenge: Challenge) => void;
}

export function SignInForm({ email: initialEmail, notice, onChallenge }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [email, setEmail] = useState(initialEmail);
  const [password, setPassword] = useState('');
  const signIn = useSignIn(onChallenge);
  const errors = formErrors(signIn.error, ['email', 'password']);
  useFocusFirstError(form, signIn.error);
  return (
    <form
      ref={form}
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!signIn.isPending) signIn.mutate({ email, password });
      }}
    >
      {signIn.isIdle && notice}
      <ErrorAlert error={errors.rest} />
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
      <PasswordField
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
        errors={errors.of('password')}
      />
      <Button type="submit" look="primary" busy={signIn.isPending}>
        {signIn.isPending ? 'Signing in…' : 'Sign in'}
      </Button>
    </form>
  );
}
