import { type ReactNode } from 'react';

import { useCancelJob } from '@/features/media/api/cancel-job';
import { useJob } from '@/features/media/api/get-job';
import { useStartJob } from '@/features/media/api/start-job';
import { isFinal } from '@/features/media/jobs';
import { PRESET_TEXTS } from '@/features/media/presets';
import { type Job, type Media, type Preset } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';

import './job-panel.css';

interface Props {
  media: Media;
  preset: Preset;
  /** The newest job of this preset, if there was ever one. */
  job: Job | undefined;
  /** Shows what a job that succeeded has made. */
  children: (job: Job) => ReactNode;
}

/** One preset for one medium: starts it, follows it, shows its outcome. */
export function JobPanel({ media, preset, job, children }: Props) {
  const start = useStartJob();
  const startButton = (label: string) => (
    <Button
      busy={start.isPending}
      aria-label={`${label}: ${media.name}`}
      onClick={() => {
        start.mutate({ mediaId: media.id, preset });
      }}
    >
      {label}
    </Button>
  );
  return (
    <section
      className="job"
      data-preset={preset}
      aria-label={`${PRESET_TEXTS[preset].title} of ${media.name}`}
    >
      <h3>{PRESET_TEXTS[preset].title}</h3>
      {job === undefined ? (
        startButton(PRESET_TEXTS[preset].action)
      ) : (
        <JobState job={job} again={startButton('Try again')}>
          {children}
        </JobState>
      )}
      <ErrorAlert error={start.error} />
    </section>
  );
}

interface JobStateProps {
  job: Job;
  again: ReactNode;
  children: (job: Job) => ReactNode;
}

function JobState({ job: known, again, children }: JobStateProps) {
  const { data: job, error } = useJob(known);
  return (
    <div className="job-state" data-state={job.state} aria-live="polite">
      <ErrorAlert error={error} />
      {!isFinal(job) && <Running job={job} />}
      {job.state === 'succeeded' && children(job)}
      {job.state === 'failed' && (
        <>
          <Badge tone="danger">Failed</Badge>
          <p>{job.error?.detail ?? job.error?.code ?? 'No reason was given.'}</p>
          {job.error?.retryable !== false && again}
        </>
      )}
      {job.state === 'cancelled' && (
        <>
          <Badge>Cancelled</Badge>
          {again}
        </>
      )}
    </div>
  );
}

function Running({ job }: { job: Job }) {
  const cancel = useCancelJob();
  const label = job.state === 'queued' ? 'Queued' : 'Running';
  return (
    <>
      <Badge tone="accent">{label}</Badge>
      <progress {...(job.progress ? { value: job.progress } : {})} max={1} aria-label={label} />
      <Button
        look="quiet"
        busy={cancel.isPending}
        onClick={() => {
          cancel.mutate(job.id);
        }}
      >
        Cancel
      </Button>
      <ErrorAlert error={cancel.error} />
    </>
  );
}
