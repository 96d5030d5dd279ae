import { useRef, useState } from 'react';

import { useChangeName } from '@/features/auth/api/change-name';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type User } from '@/shared/api/types';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';

export function ChangeNameSection({ user }: { user: User }) {
  const form = useRef<HTMLFormElement>(null);
  const [name, setName] = useState(user.name ?? '');
  const change = useChangeName();
  const errors = formErrors(change.error, ['name']);
  useFocusFirstError(form, change.error);
  return (
    <AccountSection title="Name">
      <form
        ref={form}
        className="auth-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!change.isPending) change.mutate(name.trim());
        }}
      >
        <ErrorAlert error={errors.rest} />
        {change.isSuccess && <Alert>The name is saved.</Alert>}
        <Field
          name="name"
          label="Your name"
          hint="Leave it empty to have none."
          autoComplete="name"
          value={name}
          onChange={(event) => {
            setName(event.target.value);
            if (change.isSuccess) change.reset();
          }}
          errors={errors.of('name')}
        />
        <Button type="submit" look="primary" busy={change.isPending}>
          {change.isPending ? 'Saving…' : 'Save name'}
        </Button>
      </form>
    </AccountSection>
  );
}
