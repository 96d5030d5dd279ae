import { describe, expect, it } from 'vitest';

import { countJobs, latestJob, thumbnailOf, withJob } from '@/features/media/jobs';
import { job } from '@/testing/samples';

const at = (hour: number) => `2026-01-01T0${hour}:00:00Z`;
const picture = { name: 'poster.webp', content_type: 'image/webp', bytes: 1 };

const jobs = [
  job({ id: 'old', state: 'succeeded', created_at: at(1), outputs: [picture] }),
  job({ id: 'new', state: 'failed', created_at: at(2) }),
  job({ id: 'hls', preset: 'hls', state: 'running', created_at: at(1) }),
  job({ id: 'web', preset: 'web-video', state: 'succeeded', created_at: at(1) }),
  job({ id: 'other', media_id: 'm2', state: 'queued', created_at: at(3) }),
];

describe('jobs', () => {
  it('of each preset the newest counts', () => {
    expect(latestJob(jobs, 'm1', 'poster')?.id).toBe('new');
    expect(countJobs(jobs, 'm1')).toEqual({ running: 1, failed: 1, made: 1 });
    expect(countJobs(jobs, 'm3')).toEqual({ running: 0, failed: 0, made: 0 });
  });

  it('an older poster still stands for the medium', () => {
    expect(thumbnailOf(jobs, 'm1')).toEqual({ jobId: 'old', name: 'poster.webp' });
    expect(thumbnailOf(jobs, 'm2')).toBeUndefined();
  });

  it('a job takes the place of what was known of it', () => {
    const news = job({ id: 'hls', preset: 'hls', state: 'succeeded' });
    expect(withJob(jobs, news).map(({ state }) => state)).toEqual([
      'succeeded',
      'failed',
      'succeeded',
      'succeeded',
      'queued',
    ]);
    expect(withJob(jobs, job({ id: 'x' }))[0]?.id).toBe('x');
  });
});
