import { useId, useState } from 'react';

import { useCreateLink } from '@/features/media/api/create-link';
import { type Job } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

const PLAYLIST = 'application/vnd.apple.mpegurl';

interface Props {
  job: Job;
  label: string;
}

/** A stream: its playlist's link, for any player, and a player where the browser has one for it. */
export function StreamResult({ job, label }: Props) {
  const link = useCreateLink();
  const playlist = job.outputs.find(({ name }) => name === 'master.m3u8');
  if (playlist === undefined) return <p>The job made no playlist.</p>;
  const sizes = job.outputs.filter(({ content_type }) => content_type === PLAYLIST).length - 1;
  return (
    <>
      <p>
        {sizes} {sizes === 1 ? 'size' : 'sizes'}, chosen by the player as the connection allows.
      </p>
      {link.data === undefined ? (
        <Button
          busy={link.isPending}
          aria-label={`Make a link: ${label}`}
          onClick={() => {
            link.mutate({ mediaId: job.media_id, output: { job: job.id, name: playlist.name } });
          }}
        >
          Make a link
        </Button>
      ) : (
        <Stream url={link.data} label={label} />
      )}
      <ErrorAlert error={link.error} />
    </>
  );
}

function Stream({ url, label }: { url: string; label: string }) {
  const id = useId();
  const [canPlay] = useState(() => document.createElement('video').canPlayType(PLAYLIST) !== '');
  return (
    <>
      {canPlay && (
        // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
        <video className="player" src={url} aria-label={label} controls playsInline preload="metadata" />
      )}
      <label htmlFor={id} className="output-size">
        Link for players. Whoever has it can watch, for four hours.
      </label>
      <input
        id={id}
        className="stream-link"
        readOnly
        value={new URL(url, window.location.origin).href}
        onFocus={(event) => {
          event.target.select();
        }}
      />
    </>
  );
}
