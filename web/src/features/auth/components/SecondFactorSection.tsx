import { useState } from 'react';

import { useConfirmTotp, useEnrol, useRenewCodes, useTurnOffTotp } from '@/features/auth/api/totp';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { CodeForm } from '@/features/auth/components/CodeForm';
import { RecoveryCodes } from '@/features/auth/components/RecoveryCodes';
import { ProblemError } from '@/shared/api/problem';
import { type User } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { ConfirmDialog } from '@/shared/components/ConfirmDialog';

/** Turns the second factor on and off. New recovery codes stay on the page until the person leaves it. */
export function SecondFactorSection({ user }: { user: User }) {
  const [codes, setCodes] = useState<readonly string[]>([]);
  return (
    <AccountSection title="Two-factor authentication">
      {codes.length > 0 && <RecoveryCodes codes={codes} />}
      {user.totp_enabled ? <TurnedOn user={user} onCodes={setCodes} /> : <TurnedOff onCodes={setCodes} />}
    </AccountSection>
  );
}

interface ShowsCodes {
  onCodes: (codes: readonly string[]) => void;
}

function TurnedOff({ onCodes }: ShowsCodes) {
  const enrol = useEnrol();
  const confirm = useConfirmTotp(onCodes);
  const pending = enrol.data;
  if (!pending) {
    return (
      <>
        <p>Only your password protects this account.</p>
        <ErrorAlert error={enrol.error} />
        <Button
          look="primary"
          busy={enrol.isPending}
          onClick={() => {
            onCodes([]);
            enrol.mutate();
          }}
        >
          Set up an authenticator app
        </Button>
      </>
    );
  }
  return (
    <>
      <p>
        Scan this with your authenticator app, or type the key into it. Then enter the code that it shows.
      </p>
      <img
        src={`data:image/svg+xml;utf8,${encodeURIComponent(pending.qr_svg)}`}
        alt="QR code of the key below"
        className="account-qr"
        width={240}
        height={240}
      />
      <p className="account-key">
        Key: <code>{pending.secret}</code>
      </p>
      <CodeForm action="Turn on" busy={confirm.isPending} error={confirm.error} onCode={confirm.mutate} />
    </>
  );
}

function TurnedOn({ user, onCodes }: ShowsCodes & { user: User }) {
  const [isRenewing, setRenewing] = useState(false);
  const renew = useRenewCodes((codes) => {
    setRenewing(false);
    onCodes(codes);
  });
  return (
    <>
      <p>Signing in asks for a code of your authenticator app.</p>
      <p>{user.recovery_codes_left} recovery codes left.</p>
      {isRenewing ? (
        <CodeForm
          action="Make new recovery codes"
          busy={renew.isPending}
          error={renew.error}
          onCode={renew.mutate}
        />
      ) : (
        <Button
          onClick={() => {
            setRenewing(true);
          }}
        >
          New recovery codes…
        </Button>
      )}
      {user.second_factor_required ? (
        <p>This account must have it, so it stays on. An administrator can reset it for a lost device.</p>
      ) : (
        <TurnOff
          onStart={() => {
            onCodes([]);
          }}
        />
      )}
    </>
  );
}

/** Asks first, and for a code where the server wants one. */
function TurnOff({ onStart }: { onStart: () => void }) {
  const [asking, setAsking] = useState(false);
  const turnOff = useTurnOffTotp();
  const refusal = turnOff.error instanceof ProblemError ? turnOff.error.status : null;
  const needsCode = refusal === 401 || refusal === 422;
  const close = () => {
    setAsking(false);
  };
  if (needsCode) {
    return (
      <CodeForm
        action="Turn off"
        busy={turnOff.isPending}
        error={refusal === 422 ? null : turnOff.error}
        onCode={(code) => {
          turnOff.mutate({ code });
        }}
        onRecoveryCode={(code) => {
          turnOff.mutate({ recovery_code: code });
        }}
      />
    );
  }
  return (
    <>
      <Button
        look="danger"
        onClick={() => {
          setAsking(true);
        }}
      >
        Turn off…
      </Button>
      {asking && (
        <ConfirmDialog
          title="Turn off two-factor authentication?"
          confirmLabel="Turn off"
          busy={turnOff.isPending}
          error={turnOff.error}
          onClose={close}
          onConfirm={() => {
            onStart();
            turnOff.mutate(null, { onSuccess: close });
          }}
        >
          From then on your password alone lets anybody in who has it. The recovery codes are of no use any
          more.
        </ConfirmDialog>
      )}
    </>
  );
}
