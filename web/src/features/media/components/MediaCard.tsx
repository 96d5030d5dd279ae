import { useState } from 'react';

import { DeleteMediaDialog } from '@/features/media/components/DeleteMediaDialog';
import { JobPanel } from '@/features/media/components/JobPanel';
import { MetadataResult } from '@/features/media/components/MetadataResult';
import { PosterResult } from '@/features/media/components/PosterResult';
import { latestJob } from '@/features/media/jobs';
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
  return (
    <li className="media-card" data-media={media.id}>
      <div className="media-head">
        <div>
          <h2>{media.name}</h2>
          <p>
            {media.content_type} · {bytesText(media.bytes)} · <Timestamp iso={media.created_at} />
          </p>
        </div>
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
      <div className="media-jobs">
        <JobPanel media={media} preset="poster" job={latestJob(jobs, media.id, 'poster')}>
          {(job) => <PosterResult job={job} mediaName={media.name} />}
        </JobPanel>
        <JobPanel media={media} preset="metadata" job={latestJob(jobs, media.id, 'metadata')}>
          {(job) => <MetadataResult job={job} />}
        </JobPanel>
      </div>
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
