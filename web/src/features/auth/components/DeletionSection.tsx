import { useRef, useState } from 'react';

import { useAskForDeletion, useTakeBackDeletion } from '@/features/auth/api/deletion';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type User } from '@/shared/api/types';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Dialog } from '@/shared/components/Dialog';
import { Timestamp } from '@/shared/components/Timestamp';

/** Asks for the erasure of the account, and takes that back while there is time. */
export function DeletionSection({ user }: { user: User }) {
  const [asking, setAsking] = useState(false);
  const takeBack = useTakeBackDeletion();
  return (
    <AccountSection title="Delete account" tone="danger">
      <ErrorAlert error={takeBack.error} />
      {user.erase_at ? (
        <>
          <p>
            This account and everything in it is erased <Timestamp iso={user.erase_at} />. Until then it works
            as before, and you can change your mind.
          </p>
          <Button
            look="primary"
            busy={takeBack.isPending}
            onClick={() => {
              takeBack.mutate();
            }}
          >
            Keep my account
          </Button>
        </>
      ) : (
        <>
          {takeBack.isSuccess && <Alert>Your account stays.</Alert>}
          <p>Erases the account, its sessions and its media for good, after some days to think it over.</p>
          <Button
            look="danger"
            onClick={() => {
              takeBack.reset();
              setAsking(true);
            }}
          >
            Delete my account…
          </Button>
        </>
      )}
      {asking && (
        <DeletionDialog
          email={user.email}
          onClose={() => {
            setAsking(false);
          }}
        />
      )}
    </AccountSection>
  );
}

function DeletionDialog({ email, onClose }: { email: string; onClose: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const [password, setPassword] = useState('');
  const ask = useAskForDeletion();
  const errors = formErrors(ask.error, ['password'], { 'wrong-password': 'password' });
  useFocusFirstError(form, ask.error);
  return (
    <Dialog title="Delete your account?" onClose={onClose}>
      <form
        ref={form}
        className="auth-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!ask.isPending) ask.mutate(password, { onSuccess: onClose });
        }}
      >
        <p>
          <strong>{email}</strong> and everything in it will be erased for good. You will see the day, and can
          take it back until then.
        </p>
        <ErrorAlert error={errors.rest} />
        <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
        <PasswordField
          label="Your password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          errors={errors.of('password')}
        />
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="danger" busy={ask.isPending}>
            {ask.isPending ? 'Asking…' : 'Delete my account'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
