import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { followJob } from '@/features/media/api/follow-job';
import { isFinal, withJob } from '@/features/media/jobs';
import { type Job } from '@/shared/api/types';

/** Puts what is known of a job where every page finds it. */
export function storeJob(queryClient: QueryClient, job: Job): void {
  queryClient.setQueryData<Job>(['job', job.id], job);
  queryClient.setQueryData<Job[]>(['jobs'], (jobs) => jobs && withJob(jobs, job));
}

/** A job as it is now, followed until it has ended. */
export function useJob(known: Job): { job: Job; error: unknown } {
  const { id } = known;
  const queryClient = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const { data: job } = useQuery({
    queryKey: ['job', id],
    queryFn: () => known,
    initialData: known,
    enabled: false,
  });
  const isOver = isFinal(job);
  useEffect(() => {
    if (isOver) return;
    const abort = new AbortController();
    const onNews = (change: (job: Job) => Job) => {
      const last = queryClient.getQueryData<Job>(['job', id]);
      if (last !== undefined) storeJob(queryClient, change(last));
    };
    void followJob(id, { onNews, onError: setError }, abort.signal);
    return () => {
      abort.abort();
    };
  }, [id, isOver, queryClient]);
  return { job, error: isOver ? null : error };
}
