import { exactTime, relativeTime } from '@/shared/lib/time';
import { useNow } from '@/shared/lib/use-now';

import './timestamp.css';

/** A time as people think of it, and exactly, side by side. */
export function Timestamp({ iso }: { iso: string }) {
  const nowMs = useNow();
  return (
    <time dateTime={iso} className="timestamp">
      {relativeTime(iso, nowMs)} <span className="timestamp-exact">{exactTime(iso)}</span>
    </time>
  );
}
