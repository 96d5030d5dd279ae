import { useId } from 'react';

import { type Linked, useCreateLink } from '@/features/media/api/create-link';
import { PLAYLIST_TYPE } from '@/features/media/stream-player';
import { type Job } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

interface Props {
  job: Job;
  /** The playlist. */
  linked: Linked;
  label: string;
}

/** How many sizes a stream has, and its link for any other player. */
export function StreamLink({ job, linked, label }: Props) {
  const id = useId();
  const link = useCreateLink();
  const sizes = job.outputs.filter(({ content_type }) => content_type === PLAYLIST_TYPE).length - 1;
  return (
    <div className="stream-link">
      <p>
        {sizes} {sizes === 1 ? 'size' : 'sizes'}, chosen by the player as the connection allows.
      </p>
      {link.data === undefined ? (
        <Button
          look="quiet"
          busy={link.isPending}
          aria-label={`Make a link: ${label}`}
          onClick={() => {
            link.mutate(linked);
          }}
        >
          Link for other players
        </Button>
      ) : (
        <>
          <label htmlFor={id}>Link for other players. Whoever has it can watch, for four hours.</label>
          <input
            id={id}
            readOnly
            value={new URL(link.data, window.location.origin).href}
            onFocus={(event) => {
              event.target.select();
            }}
          />
        </>
      )}
      <ErrorAlert error={link.error} />
    </div>
  );
}
