import { useState } from 'react';

import { type Linked } from '@/features/media/api/create-link';
import { Picture } from '@/features/media/components/Picture';
import { Player } from '@/features/media/components/Player';
import { StreamLink } from '@/features/media/components/StreamLink';
import { type OutputOf } from '@/features/media/jobs';
import { PLAYLIST_TYPE } from '@/features/media/stream-player';
import { type Job } from '@/shared/api/types';
import { Button } from '@/shared/components/Button';

interface Props {
  job: Job;
  /** What plays, for its accessible name. */
  label: string;
  poster: OutputOf | undefined;
}

/** A film, a stream or a sound. Its player comes, in the same place, when somebody wants to play. */
export function PlayerResult({ job, label, poster }: Props) {
  const [isOpen, setOpen] = useState(false);
  const played = job.outputs.find(({ name }) => name === 'master.m3u8') ?? job.outputs[0];
  if (played === undefined) return <p>The job made nothing to play.</p>;
  const linked: Linked = { mediaId: job.media_id, output: { job: job.id, name: played.name } };
  const kind = kindOf(played.content_type);
  return (
    <>
      <div className={kind === 'sound' ? 'stage stage-sound' : 'stage'}>
        {isOpen ? (
          <Player linked={linked} kind={kind} label={label} />
        ) : (
          <>
            {kind !== 'sound' && poster && <Picture output={poster} alt="" />}
            <Button
              look="primary"
              aria-label={`Play: ${label}`}
              onClick={() => {
                setOpen(true);
              }}
            >
              Play
            </Button>
          </>
        )}
      </div>
      {kind === 'stream' && <StreamLink job={job} linked={linked} label={label} />}
    </>
  );
}

function kindOf(contentType: string): 'sound' | 'film' | 'stream' {
  if (contentType === PLAYLIST_TYPE) return 'stream';
  return contentType.startsWith('audio/') ? 'sound' : 'film';
}
