import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

async function cancelJob(id: string): Promise<void> {
  await call(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export function useCancelJob() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: cancelJob,
    // Also after a failure: the job may have ended by itself in the same moment.
    onSettled: (_data, _error, id) => queryClient.invalidateQueries({ queryKey: ['job', id] }),
  });
}
