/** The sessions of everybody. */
import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import type { Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const revokedSchema = z.object({ revoked: z.number() });

async function endEverySession() {
  const body = { keep_current: true } satisfies Wire['RevokeAllSessions'];
  return readJson(await call('/v1/admin/sessions/revoke-all', { method: 'POST', body }), revokedSchema);
}

/** Ends every session of every account but the one that it is done in. */
export function useEndEverySession() {
  return useMutation({ mutationFn: endEverySession });
}
