import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

import { type Proof, useReauthenticate } from '@/features/auth/api/reauthenticate';
import { PasswordField } from '@/features/auth/components/PasswordField';
import { formErrors } from '@/features/auth/field-errors';
import { useFocusFirstError } from '@/features/auth/use-focus-first-error';
import { type User } from '@/shared/api/types';
import { proofDesk } from '@/shared/auth/proof-desk';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Dialog } from '@/shared/components/Dialog';
import { Field } from '@/shared/components/Field';

interface Props {
  /** Who is asked; unknown while it loads. */
  user: User | undefined;
}

/** Asks for a proof of identity whenever a call waits for one. */
export function ProofDialog({ user }: Props) {
  const isAsked = useSyncExternalStore(proofDesk.subscribe, proofDesk.isAsked);
  useEffect(() => proofDesk.staff(), []);
  if (!isAsked) return null;
  return (
    <Dialog
      title="Confirm that it is you"
      onClose={() => {
        proofDesk.settle(false);
      }}
    >
      <ProofForm user={user} />
    </Dialog>
  );
}

function ProofForm({ user }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const [choice, setChoice] = useState<boolean | null>(null);
  // For what administrators write the password alone is not enough, nor in a session without the factor that must be.
  const needsCode = user?.roles.includes('admin') === true || user?.second_factor_required === true;
  const byCode = choice ?? (user?.totp_enabled === true && needsCode);
  const [secret, setSecret] = useState('');
  const prove = useReauthenticate();
  const claims = { 'wrong-password': 'password', 'invalid-code': 'code' };
  const errors = formErrors(prove.error, [byCode ? 'code' : 'password'], claims);
  useFocusFirstError(form, prove.error);
  const submit = () => {
    const proof: Proof = byCode ? { code: secret.replaceAll(/\s/g, '') } : { password: secret };
    prove.mutate(proof, {
      onSuccess: () => {
        proofDesk.settle(true);
      },
    });
  };
  return (
    <form
      ref={form}
      className="auth-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!prove.isPending) submit();
      }}
    >
      <p>This step needs a new proof that it is you.</p>
      <ErrorAlert error={errors.rest} />
      <input type="hidden" name="username" autoComplete="username" value={user?.email ?? ''} readOnly />
      <Secret byCode={byCode} value={secret} onChange={setSecret} errors={errors.of} />
      {user?.totp_enabled && (
        <Button
          look="quiet"
          onClick={() => {
            setChoice(!byCode);
            setSecret('');
            prove.reset();
          }}
        >
          {byCode ? 'Use the password instead' : 'Use a code instead'}
        </Button>
      )}
      <div className="dialog-actions">
        <Button
          onClick={() => {
            proofDesk.settle(false);
          }}
        >
          Cancel
        </Button>
        <Button type="submit" look="primary" busy={prove.isPending}>
          {prove.isPending ? 'Checking…' : 'Continue'}
        </Button>
      </div>
    </form>
  );
}

interface SecretProps {
  byCode: boolean;
  value: string;
  onChange: (value: string) => void;
  errors: (field: string) => string[];
}

function Secret({ byCode, value, onChange, errors }: SecretProps) {
  if (!byCode) {
    return (
      <PasswordField
        label="Your password"
        value={value}
        onChange={onChange}
        autoComplete="current-password"
        errors={errors('password')}
      />
    );
  }
  return (
    <Field
      name="code"
      label="Code from your authenticator app"
      hint="Six digits."
      inputMode="numeric"
      autoComplete="one-time-code"
      required
      value={value}
      onChange={(event) => {
        onChange(event.target.value);
      }}
      errors={errors('code')}
    />
  );
}
