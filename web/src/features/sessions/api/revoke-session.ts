import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

async function revokeSession(id: string): Promise<void> {
  await call(`/v1/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export function useRevokeSession() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: revokeSession,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
