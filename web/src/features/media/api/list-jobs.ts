import { useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema, pageOf } from '@/shared/api/types';

/** The most that one page of the server holds: enough for every medium that is on screen. */
const LIMIT = 200;

async function listJobs(signal: AbortSignal): Promise<Job[]> {
  const response = await call('/v1/jobs', { query: { limit: LIMIT }, signal });
  return (await readJson(response, pageOf(jobSchema))).items;
}

/** The account's jobs. How each goes on is watched by `useJob`. */
export function useJobs() {
  return useQuery({ queryKey: ['jobs'], queryFn: ({ signal }) => listJobs(signal) });
}
