import { type ReactNode } from 'react';

import { Alert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { describeError } from '@/shared/api/problem';

import './list-state.css';

interface Props {
  isPending: boolean;
  error: Error | null;
  isEmpty: boolean;
  /** What to say when there is nothing. */
  empty: ReactNode;
  onRetry: () => void;
  children: ReactNode;
}

/** The four states of a list: loading, failed, empty, there. A failed refresh leaves what is there in sight. */
export function ListState({ isPending, error, isEmpty, empty, onRetry, children }: Props) {
  return (
    <div aria-busy={isPending}>
      {error && (
        <div className="list-error">
          <Alert tone="danger">{describeError(error)}</Alert>
          <Button onClick={onRetry}>Try again</Button>
        </div>
      )}
      {isPending && <p className="list-note">Loading…</p>}
      {!isPending && !error && isEmpty && <div className="list-note list-empty">{empty}</div>}
      {!isEmpty && children}
    </div>
  );
}
