import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';

import { useMedia } from '@/features/media/api/get-media';
import { useJobs } from '@/features/media/api/list-jobs';
import { DeleteMediaDialog } from '@/features/media/components/DeleteMediaDialog';
import { DownloadButton } from '@/features/media/components/DownloadButton';
import { JobPanel } from '@/features/media/components/JobPanel';
import { JobResult } from '@/features/media/components/JobResult';
import { latestJob, thumbnailOf } from '@/features/media/jobs';
import { presetsOf } from '@/features/media/presets';
import { ProblemError } from '@/shared/api/problem';
import { type Media } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { Page } from '@/shared/components/Page';
import { Timestamp } from '@/shared/components/Timestamp';
import { bytesText } from '@/shared/lib/bytes';

import './media.css';

/** One medium: what it is, what has been made of it, what can be. */
export function MediaDetailPage() {
  const { id = '' } = useParams();
  const media = useMedia(id);
  if (media.data !== undefined) return <Medium key={id} media={media.data} />;
  return (
    <Page title="Media">
      <BackLink />
      {media.error === null ? (
        <p aria-live="polite">Loading…</p>
      ) : (
        <LoadError error={media.error} onRetry={() => void media.refetch()} />
      )}
    </Page>
  );
}

function LoadError({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (error instanceof ProblemError && error.status === 404) {
    return <p>There is no such file: it may have been deleted.</p>;
  }
  return (
    <>
      <ErrorAlert error={error} />
      <Button onClick={onRetry}>Try again</Button>
    </>
  );
}

function BackLink() {
  return (
    <p className="media-back">
      <Link to="/media">All media</Link>
    </p>
  );
}

function Medium({ media }: { media: Media }) {
  const jobs = useJobs({ isWatched: false });
  return (
    <Page title={media.name} actions={<Acts media={media} />}>
      <BackLink />
      <p className="media-facts">
        {media.content_type} · {bytesText(media.bytes)} · <Timestamp iso={media.created_at} />
      </p>
      <ErrorAlert error={jobs.error} />
      {jobs.isPending ? (
        <p aria-live="polite">Loading…</p>
      ) : (
        <div className="media-jobs">
          {presetsOf(media).map((preset) => (
            <JobPanel
              key={preset}
              media={media}
              preset={preset}
              job={latestJob(jobs.data ?? [], media.id, preset)}
            >
              {(job) => (
                <JobResult
                  preset={preset}
                  job={job}
                  mediaName={media.name}
                  poster={thumbnailOf(jobs.data ?? [], media.id)}
                />
              )}
            </JobPanel>
          ))}
        </div>
      )}
    </Page>
  );
}

function Acts({ media }: { media: Media }) {
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  return (
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
      {deleting && (
        <DeleteMediaDialog
          media={media}
          onDeleted={() => void navigate('/media')}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
    </div>
  );
}
