/** What can be said of jobs without asking anyone. */
import { type Job, type Preset } from '@/shared/api/types';

export function isFinal({ state }: Job): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** The newest job of a preset for a medium: an older one says nothing any more. */
export function latestJob(jobs: readonly Job[], mediaId: string, preset: Preset): Job | undefined {
  return jobs
    .filter((job) => job.media_id === mediaId && job.preset === preset)
    .reduce<Job | undefined>(
      (latest, job) => (latest === undefined || job.created_at > latest.created_at ? job : latest),
      undefined,
    );
}

/** The output that is a picture. */
export function pictureOf({ outputs }: Job): string | undefined {
  return outputs.find(({ content_type }) => content_type.startsWith('image/'))?.name;
}
