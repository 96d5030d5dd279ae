import { useState } from 'react';

import { DeleteMediaDialog } from '@/features/media/components/DeleteMediaDialog';
import { DownloadButton } from '@/features/media/components/DownloadButton';
import { JobPanel } from '@/features/media/components/JobPanel';
import { JobResult } from '@/features/media/components/JobResult';
import { MorePresets } from '@/features/media/components/MorePresets';
import { latestJob } from '@/features/media/jobs';
import { isPlain, presetsOf } from '@/features/media/presets';
import { type Job, type Media } from '@/shared/api/types';
import { Button } from '@/shared/components/Button';
import { Timestamp } from '@/shared/components/Timestamp';
import { bytesText } from '@/shared/lib/bytes';

interface Props {
  media: Media;
  /** All that are known; this card picks its own. */
  jobs: readonly Job[];
}

/** One medium: what it is, what has been made of it, what can be. */
export function MediaCard({ media, jobs }: Props) {
  const [deleting, setDeleting] = useState(false);
  const offers = presetsOf(media).map((preset) => ({ preset, job: latestJob(jobs, media.id, preset) }));
  const shown = offers.filter(({ preset, job }) => isPlain(preset) || job !== undefined);
  const more = offers.filter((offer) => !shown.includes(offer)).map(({ preset }) => preset);
  return (
    <li className="media-card" data-media={media.id}>
      <div className="media-head">
        <div>
          <h2>{media.name}</h2>
          <p>
            {media.content_type} · {bytesText(media.bytes)} · <Timestamp iso={media.created_at} />
          </p>
        </div>
        <div className="media-acts">
          <DownloadButton mediaId={media.id} label={media.name} />
          <Button
            look="danger"
            aria-label={`Delete ${media.name}`}
            onClick={() => {
              setDeleting(true);
            }}
          >
            Delete
          </Button>
        </div>
      </div>
      <div className="media-jobs">
        {shown.map(({ preset, job }) => (
          <JobPanel key={preset} media={media} preset={preset} job={job}>
            {(done) => <JobResult preset={preset} job={done} mediaName={media.name} />}
          </JobPanel>
        ))}
      </div>
      <MorePresets media={media} presets={more} />
      {deleting && (
        <DeleteMediaDialog
          media={media}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
    </li>
  );
}
