import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

async function cancelJob(id: string): Promise<void> {
  await call(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** What becomes of the job, whoever follows it is told: it may also have ended by itself in the same moment. */
export function useCancelJob() {
  return useMutation({ mutationFn: cancelJob });
}
