import { useRef, useState } from 'react';

import { useCancelEmailChange, useChangeEmail } from '@/features/auth/api/change-email';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type User } from '@/shared/api/types';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

/** The address changes once the link that is mailed to the new one is used. */
export function ChangeEmailSection({ user }: { user: User }) {
  const form = useRef<HTMLFormElement>(null);
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const change = useChangeEmail();
  const cancel = useCancelEmailChange();
  const errors = formErrors(change.error, ['email', 'password'], { 'wrong-password': 'password' });
  useFocusFirstError(form, change.error);
  return (
    <AccountSection title="E-mail address">
      <Present user={user} />
      <form
        ref={form}
        className="auth-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (change.isPending) return;
          cancel.reset();
          change.mutate(
            { email: email.trim(), password },
            {
              onSuccess: () => {
                setPassword('');
              },
            },
          );
        }}
      >
        <ErrorAlert error={errors.rest ?? cancel.error} />
        <Outcome isAsked={change.isSuccess} isTakenBack={cancel.isSuccess} />
        <Field
          name="email"
          label="New e-mail address"
          type="email"
          autoComplete="email"
          required
          value={email}
          onChange={(event) => {
            setEmail(event.target.value);
          }}
          errors={errors.of('email')}
        />
        <PasswordField
          label="Your password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          errors={errors.of('password')}
        />
        <Button type="submit" look="primary" busy={change.isPending}>
          {change.isPending ? 'Asking…' : 'Change address'}
        </Button>
        {change.isSuccess && !cancel.isSuccess && (
          <Button
            busy={cancel.isPending}
            onClick={() => {
              cancel.mutate();
            }}
          >
            Keep the present address
          </Button>
        )}
      </form>
    </AccountSection>
  );
}

function Outcome({ isAsked, isTakenBack }: { isAsked: boolean; isTakenBack: boolean }) {
  if (isTakenBack) return <Alert>The address stays as it is.</Alert>;
  if (!isAsked) return null;
  return <Alert>A link is on its way to the new address. It counts once you use it, within 24 hours.</Alert>;
}

function Present({ user }: { user: User }) {
  return (
    <p>
      {user.email}{' '}
      {user.email_verified ? (
        <Badge tone="accent">Confirmed</Badge>
      ) : (
        <Badge tone="danger">Not confirmed</Badge>
      )}
      {!user.email_verified &&
        ' Use the link that was mailed to it, or ask for it below to have another link.'}
    </p>
  );
}
