/** What can be said of jobs without asking anyone. */
import { type Job, type Preset } from '@/shared/api/types';

export function isFinal({ state }: Job): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** The newest job of a preset for a medium: an older one says nothing any more. */
export function latestJob(jobs: readonly Job[], mediaId: string, preset: Preset): Job | undefined {
  return newest(jobs.filter((job) => job.media_id === mediaId && job.preset === preset));
}

function newest(jobs: readonly Job[]): Job | undefined {
  return jobs.reduce<Job | undefined>(
    (latest, job) => (latest === undefined || job.created_at > latest.created_at ? job : latest),
    undefined,
  );
}

/** An output, and how to get at it. */
export interface OutputOf {
  readonly jobId: string;
  readonly name: string;
}

/** The output that is a picture. */
export function pictureOf({ id, outputs }: Job): OutputOf | undefined {
  const picture = outputs.find(({ content_type }) => content_type.startsWith('image/'));
  return picture && { jobId: id, name: picture.name };
}

/** The newest picture of a medium that is small enough for a list. */
export function thumbnailOf(jobs: readonly Job[], mediaId: string): OutputOf | undefined {
  const isPoster = (job: Job) =>
    job.media_id === mediaId && job.preset === 'poster' && job.state === 'succeeded';
  const poster = newest(jobs.filter(isPoster));
  return poster && pictureOf(poster);
}

export interface JobCounts {
  readonly running: number;
  readonly failed: number;
  readonly made: number;
}

/** How far a medium is: of each preset its newest job counts. */
export function countJobs(jobs: readonly Job[], mediaId: string): JobCounts {
  const own = jobs.filter((job) => job.media_id === mediaId);
  const presets = [...new Set(own.map(({ preset }) => preset))];
  const latest = presets.map((preset) => newest(own.filter((job) => job.preset === preset)));
  const count = (...states: Job['state'][]) =>
    latest.filter((job) => job !== undefined && states.includes(job.state)).length;
  return { running: count('queued', 'running'), failed: count('failed'), made: count('succeeded') };
}

/** The list with this job in it, in the place of what was known of it. */
export function withJob(jobs: readonly Job[], job: Job): Job[] {
  const isKnown = jobs.some(({ id }) => id === job.id);
  return isKnown ? jobs.map((other) => (other.id === job.id ? job : other)) : [job, ...jobs];
}
