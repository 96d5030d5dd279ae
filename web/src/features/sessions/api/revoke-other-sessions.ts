import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { z } from '@/shared/lib/zod';

const revokedSchema = z.object({ revoked: z.number() });

async function revokeOtherSessions() {
  const response = await call('/v1/sessions', { method: 'DELETE', query: { scope: 'others' } });
  return readJson(response, revokedSchema);
}

export function useRevokeOtherSessions() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: revokeOtherSessions,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
