import { useState } from 'react';

import { useRevokeSession } from '@/features/sessions/api/revoke-session';
import { deviceDetail, deviceTitle } from '@/features/sessions/session-text';
import { type Session } from '@/shared/api/types';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';
import { ConfirmDialog } from '@/shared/components/ConfirmDialog';
import { Timestamp } from '@/shared/components/Timestamp';
import { endReasonText } from '@/shared/lib/end-reason';

export function SessionItem({ session }: { session: Session }) {
  const detail = deviceDetail(session);
  const ended = Boolean(session.ended_at);
  return (
    <li className="session" data-session={session.id} data-current={session.current}>
      <div className="session-device">
        <h2>{deviceTitle(session)}</h2>
        {session.current && <Badge tone="accent">This session</Badge>}
        {ended && <Badge>{endReasonText(session.end_reason)}</Badge>}
        {detail && <span className="session-detail">{detail}</span>}
      </div>
      <dl className="session-facts">
        <Fact label="IP address">{session.ip ?? 'unknown'}</Fact>
        {session.last_seen_at && (
          <Fact label="Last seen">
            <Timestamp iso={session.last_seen_at} />
          </Fact>
        )}
        <Fact label="Signed in">
          <Timestamp iso={session.created_at} />
        </Fact>
        {session.ended_at && (
          <Fact label="Ended">
            <Timestamp iso={session.ended_at} />
          </Fact>
        )}
      </dl>
      {!ended && !session.current && <EndSession session={session} />}
    </li>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function EndSession({ session }: { session: Session }) {
  const [asking, setAsking] = useState(false);
  const revoke = useRevokeSession();
  const close = () => {
    setAsking(false);
    revoke.reset();
  };
  return (
    <>
      <Button
        look="danger"
        aria-label={`End session: ${deviceTitle(session)}, ${session.ip ?? 'unknown address'}`}
        onClick={() => {
          setAsking(true);
        }}
      >
        End
      </Button>
      {asking && (
        <ConfirmDialog
          title="End this session?"
          confirmLabel="End session"
          busy={revoke.isPending}
          error={revoke.error}
          onClose={close}
          onConfirm={() => {
            revoke.mutate(session.id, { onSuccess: close });
          }}
        >
          <strong>{deviceTitle(session)}</strong> is signed out at once.
        </ConfirmDialog>
      )}
    </>
  );
}
