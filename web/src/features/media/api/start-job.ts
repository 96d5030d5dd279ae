import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema, type Preset, type Wire } from '@/shared/api/types';

interface JobRequest {
  mediaId: string;
  preset: Preset;
}

async function startJob({ mediaId, preset }: JobRequest): Promise<Job> {
  const path = `/v1/media/${encodeURIComponent(mediaId)}/jobs` as const;
  return readJson(
    await call(path, { method: 'POST', body: { preset } satisfies Wire['CreateJob'] }),
    jobSchema,
  );
}

export function useStartJob() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: startJob,
    onSuccess: (job) => {
      // The same request is the same job: it may be in the list already.
      queryClient.setQueryData<Job>(['job', job.id], job);
      queryClient.setQueryData<Job[]>(['jobs'], (jobs = []) => [
        job,
        ...jobs.filter(({ id }) => id !== job.id),
      ]);
    },
  });
}
