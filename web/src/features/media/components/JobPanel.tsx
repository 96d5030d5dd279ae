import { type ReactNode } from 'react';

import { useCancelJob } from '@/features/media/api/cancel-job';
import { useJob } from '@/features/media/api/use-job';
import { useStartJob } from '@/features/media/api/start-job';
import { JobForm, type JobFormLook } from '@/features/media/components/JobForm';
import { isFinal } from '@/features/media/jobs';
import { hasSeek, PRESET_TEXTS } from '@/features/media/presets';
import { describeProgress } from '@/features/media/progress';
import { type Job, type Media, type Preset } from '@/shared/api/types';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
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
  // The one just asked for, even where it is an old one: the same request is the same job.
  const shown = start.data ?? job;
  const { title, about, action } = PRESET_TEXTS[preset];
  const form = (label: string, look: JobFormLook) => (
    <JobForm
      label={label}
      look={look}
      media={media}
      preset={preset}
      busy={start.isPending}
      onStart={(options) => {
        start.mutate({ mediaId: media.id, preset, ...(options === undefined ? {} : { options }) });
      }}
    />
  );
  return (
    <section className="job" data-preset={preset} aria-label={`${title} of ${media.name}`}>
      <h2>{title}</h2>
      {shown === undefined ? (
        <>
          <p className="job-about">{about}</p>
          {form(action, 'plain')}
        </>
      ) : (
        <JobState
          job={shown}
          again={form('Try again', 'plain')}
          another={hasSeek(preset) && !isPicture(media) ? form('Make another', 'quiet') : null}
        >
          {children}
        </JobState>
      )}
      <ErrorAlert error={start.error} />
    </section>
  );
}

function isPicture({ content_type }: Media): boolean {
  return content_type.startsWith('image/');
}

interface JobStateProps {
  job: Job;
  /** Offered after a failure or a cancellation. */
  again: ReactNode;
  /** Offered beside what was made, where other options would make something else. */
  another: ReactNode;
  children: (job: Job) => ReactNode;
}

function JobState({ job: known, again, another, children }: JobStateProps) {
  const { job, error } = useJob(known);
  return (
    <div className="job-state" data-state={job.state}>
      <span className="visually-hidden" role="status">
        {STATE_TEXTS[job.state]}
      </span>
      <ErrorAlert error={error} />
      {!isFinal(job) && <Running job={job} />}
      {job.state === 'succeeded' && (
        <>
          {children(job)}
          {another}
        </>
      )}
      {job.state === 'failed' && (
        <>
          <Alert tone="danger">{failureText(job)}</Alert>
          {again}
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

const STATE_TEXTS: Readonly<Record<Job['state'], string>> = {
  queued: 'Waiting for its turn',
  running: 'Under way',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** The server's own words, as a sentence. The code stands with them: it is what an operator asks for. */
function failureText({ error }: Job): string {
  if (!error) return 'Failed. No reason was given.';
  return error.detail ? `${error.detail.replace(/\.$/, '')} (${error.code}).` : `Failed: ${error.code}.`;
}

function Running({ job }: { job: Job }) {
  const cancel = useCancelJob();
  const label = STATE_TEXTS[job.state];
  return (
    <>
      <Badge tone="accent">{label}</Badge>
      <progress {...(job.progress ? { value: job.progress } : {})} max={1} aria-label={label} />
      <span className="job-percent">{describeProgress(job)}</span>
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
