import { useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

async function getOutput(jobId: string, name: string, signal: AbortSignal): Promise<Blob> {
  const path = `/v1/jobs/${encodeURIComponent(jobId)}/outputs/${encodeURIComponent(name)}` as const;
  return (await call(path, { signal })).blob();
}

/** An output's bytes. They never change, so they are fetched once; with the token in a header, as always. */
export function useOutput(jobId: string, name: string) {
  return useQuery({
    queryKey: ['output', jobId, name],
    queryFn: ({ signal }) => getOutput(jobId, name, signal),
    staleTime: Infinity,
  });
}
