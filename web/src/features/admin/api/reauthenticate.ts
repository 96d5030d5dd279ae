import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { tokenPairSchema, type Wire } from '@/shared/api/types';
import { tokensFrom, tokenStore } from '@/shared/auth/token-store';

async function reauthenticate(password: string): Promise<void> {
  const body = { password } satisfies Wire['Reauthenticate'];
  const response = await call('/v1/sessions/current/reauthenticate', { method: 'POST', body });
  const pair = await readJson(response, tokenPairSchema);
  const { tokens } = tokenStore.state();
  if (tokens !== null) tokenStore.renew(tokensFrom(tokens.sessionId, pair, Date.now()));
}

/** Proves once more who the caller is: this tab goes on with the new tokens. */
export function useReauthenticate() {
  return useMutation({ mutationFn: reauthenticate, gcTime: 0 });
}
