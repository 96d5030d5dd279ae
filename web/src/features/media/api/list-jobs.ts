import { useQuery } from '@tanstack/react-query';

import { isFinal } from '@/features/media/jobs';
import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema, pageOf } from '@/shared/api/types';

/** The most that one page of the server holds. */
const LIMIT = 200;
/** 2,000 jobs: enough for every medium that is on screen, and an end to asking. */
const MAX_PAGES = 10;
const POLL_MS = 3_000;

async function listJobs(signal: AbortSignal): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const response = await call('/v1/jobs', { query: { limit: LIMIT, cursor }, signal });
    const { items, next_cursor } = await readJson(response, pageOf(jobSchema));
    jobs.push(...items);
    if (!next_cursor) break;
    cursor = next_cursor;
  }
  return jobs;
}

/**
 * The account's jobs, newest first. With `isWatched` they are asked for again while one of them goes on: for a list,
 * which shows no progress. A page of one medium follows each job by `useJob` instead.
 */
export function useJobs({ isWatched }: { isWatched: boolean }) {
  return useQuery({
    queryKey: ['jobs'],
    queryFn: ({ signal }) => listJobs(signal),
    refetchInterval: ({ state }) =>
      isWatched && state.data?.some((job) => !isFinal(job)) === true ? POLL_MS : false,
  });
}
