import { useSearchParams } from 'react-router';

import { type AuditEvent, PAGE_SIZE, useEvents } from '@/features/audit/api/list-events';
import { ButtonLink } from '@/shared/components/ButtonLink';
import { ListState } from '@/shared/components/ListState';
import { Page } from '@/shared/components/Page';
import { exactTime } from '@/shared/lib/time';

import './audit.css';

/** Pages through the log in position order. Positions have no gaps, so every page can be computed. */
export function AuditPage() {
  const [parameters] = useSearchParams();
  const after = positionFrom(parameters.get('after'));
  const events = useEvents(after);
  const items = events.data?.items ?? [];
  return (
    <Page title="Audit log">
      {events.data && <Pager after={after} count={items.length} head={events.data.head} />}
      <ListState
        isPending={events.isPending}
        error={events.error}
        isEmpty={items.length === 0}
        empty="No event follows this position."
        onRetry={() => void events.refetch()}
      >
        <ol className="events" aria-label="Events" aria-busy={events.isPlaceholderData}>
          {items.map((event) => (
            <EventItem key={event.position} event={event} />
          ))}
        </ol>
      </ListState>
    </Page>
  );
}

function positionFrom(text: string | null): number {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function Pager({ after, count, head }: { after: number; count: number; head: number }) {
  const isLast = after + count >= head;
  return (
    <nav className="pager" aria-label="Pages of the log">
      <PagerLink after={0} disabled={after === 0}>
        First
      </PagerLink>
      <PagerLink after={Math.max(0, after - PAGE_SIZE)} disabled={after === 0}>
        Previous
      </PagerLink>
      <span aria-live="polite">
        {count === 0 ? `${head} events` : `${after + 1}–${after + count} of ${head}`}
      </span>
      <PagerLink after={after + count} disabled={isLast}>
        Next
      </PagerLink>
      <PagerLink after={Math.max(0, head - PAGE_SIZE)} disabled={isLast}>
        Latest
      </PagerLink>
    </nav>
  );
}

function PagerLink({ after, disabled, children }: { after: number; disabled: boolean; children: string }) {
  return (
    <ButtonLink to={`/audit?after=${after}`} disabled={disabled}>
      {children}
    </ButtonLink>
  );
}

function EventItem({ event }: { event: AuditEvent }) {
  return (
    <li>
      <details>
        <summary>
          <span className="event-position">{event.position}</span>
          <span className="event-type">{event.type}</span>
          <span className="event-stream">{event.stream}</span>
          <time dateTime={event.time}>{exactTime(event.time)}</time>
        </summary>
        <p className="event-ids">
          Event {event.id}
          {event.actor && ` · by ${event.actor}`}
        </p>
        <pre>{JSON.stringify(event.data, null, 2)}</pre>
      </details>
    </li>
  );
}
