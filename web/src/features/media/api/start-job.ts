import { useMutation, useQueryClient } from '@tanstack/react-query';

import { storeJob } from '@/features/media/api/use-job';
import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema, type Preset, type Wire } from '@/shared/api/types';

export interface JobRequest {
  mediaId: string;
  preset: Preset;
  options?: Wire['JobOptions'];
}

export async function startJob({ mediaId, preset, options }: JobRequest): Promise<Job> {
  const path = `/v1/media/${encodeURIComponent(mediaId)}/jobs` as const;
  const body = { preset, ...(options === undefined ? {} : { options }) } satisfies Wire['CreateJob'];
  return readJson(await call(path, { method: 'POST', body }), jobSchema);
}

export function useStartJob() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: startJob,
    // The same request is the same job: it may be known already.
    onSuccess: (job) => {
      storeJob(queryClient, job);
    },
  });
}
