import { useQuery } from '@tanstack/react-query';

import { isFinal } from '@/features/media/jobs';
import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema } from '@/shared/api/types';

const POLL_MS = 1_000;

async function getJob(id: string, signal: AbortSignal): Promise<Job> {
  return readJson(await call(`/v1/jobs/${encodeURIComponent(id)}`, { signal }), jobSchema);
}

/** A job as it is now; asks every second until the job has ended. */
export function useJob(known: Job) {
  return useQuery({
    queryKey: ['job', known.id],
    queryFn: ({ signal }) => getJob(known.id, signal),
    initialData: known,
    initialDataUpdatedAt: 0,
    enabled: ({ state }) => state.data === undefined || !isFinal(state.data),
    refetchInterval: ({ state }) => (state.data !== undefined && isFinal(state.data) ? false : POLL_MS),
  });
}
