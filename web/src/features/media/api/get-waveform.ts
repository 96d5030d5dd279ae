import { useQuery } from '@tanstack/react-query';

import { waveformSchema } from '@/features/media/waveform';
import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';

/** The peaks that a job found. They never change, so they are fetched once. */
export function useWaveform(jobId: string, name: string) {
  const path = `/v1/jobs/${encodeURIComponent(jobId)}/outputs/${encodeURIComponent(name)}` as const;
  return useQuery({
    queryKey: ['waveform', jobId, name],
    queryFn: async ({ signal }) => readJson(await call(path, { signal }), waveformSchema),
    staleTime: Infinity,
  });
}
