import { useRef, useState } from 'react';

import { useRegister } from '@/features/auth/api/register';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { PasswordRules } from '@/features/auth/components/PasswordRules';
import { formErrors } from '@/features/auth/field-errors';
import { passwordRules } from '@/features/auth/password-rules';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type PasswordPolicy } from '@/shared/api/get-config';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

interface Props {
  policy: PasswordPolicy;
  onRegistered: (email: string) => void;
}

/** The rules are shown, not enforced, here: the server judges, and everything that it finds is shown at once. */
export function RegisterForm({ policy, onRegistered }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const register = useRegister();
  const errors = formErrors(register.error, ['email', 'name', 'password'], { 'email-taken': 'email' });
  useFocusFirstError(form, register.error);
  return (
    <form
      ref={form}
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (register.isPending) return;
        register.mutate(
          { email: email.trim(), name: name.trim(), password },
          {
            onSuccess: (user) => {
              setPassword('');
              if (user !== null) onRegistered(email.trim());
            },
          },
        );
      }}
    >
      <ErrorAlert error={errors.rest} />
      {register.data === null && (
        <Alert>
          A link is on its way to this address. Use it within 24 hours, and your account is ready.
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
      <Field
        name="name"
        label="Name (optional)"
        autoComplete="name"
        value={name}
        onChange={(event) => {
          setName(event.target.value);
        }}
        errors={errors.of('name')}
      />
      <PasswordField
        value={password}
        onChange={setPassword}
        autoComplete="new-password"
        hint={<PasswordRules rules={passwordRules(password, [email, name], policy)} />}
        errors={errors.of('password')}
      />
      <Button type="submit" look="primary" busy={register.isPending}>
        {register.isPending ? 'Registering…' : 'Register'}
      </Button>
    </form>
  );
}
