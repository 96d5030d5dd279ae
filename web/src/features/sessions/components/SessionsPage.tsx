import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';

import { type SessionState, useSessions } from '@/features/sessions/api/list-sessions';
import { EndOthersDialog } from '@/features/sessions/components/EndOthersDialog';
import { SessionItem } from '@/features/sessions/components/SessionItem';
import { Button } from '@/shared/components/Button';
import { ListState } from '@/shared/components/ListState';
import { Page } from '@/shared/components/Page';

import './sessions.css';

const TABS: readonly (readonly [SessionState, string])[] = [
  ['active', 'Active'],
  ['ended', 'Ended'],
];

export function SessionsPage() {
  const [parameters] = useSearchParams();
  const state: SessionState = parameters.get('state') === 'ended' ? 'ended' : 'active';
  const sessions = useSessions(state);
  const items = sessions.data ?? [];
  return (
    <Page title="Sessions" actions={state === 'active' && items.length > 1 && <EndOthers />}>
      <nav className="tabs" aria-label="Which sessions">
        {TABS.map(([value, label]) => (
          <Link
            key={value}
            to={`/sessions?state=${value}`}
            aria-current={value === state ? 'page' : undefined}
          >
            {label}
          </Link>
        ))}
      </nav>
      <ListState
        isPending={sessions.isPending}
        error={sessions.error}
        isEmpty={items.length === 0}
        empty="No session has ended lately."
        onRetry={() => void sessions.refetch()}
      >
        <ul className="sessions" aria-label={state === 'active' ? 'Active sessions' : 'Ended sessions'}>
          {items.map((session) => (
            <SessionItem key={session.id} session={session} />
          ))}
        </ul>
        {sessions.hasNextPage && (
          <Button busy={sessions.isFetchingNextPage} onClick={() => void sessions.fetchNextPage()}>
            Show more
          </Button>
        )}
      </ListState>
    </Page>
  );
}

function EndOthers() {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button
        look="danger"
        onClick={() => {
          setAsking(true);
        }}
      >
        End all others
      </Button>
      {asking && (
        <EndOthersDialog
          onClose={() => {
            setAsking(false);
          }}
        />
      )}
    </>
  );
}
