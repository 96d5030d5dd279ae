import { useMutation } from '@tanstack/react-query';

import { authorized } from '@/shared/api/authorized';
import { exclusively } from '@/shared/api/refresh';
import { readJson, send } from '@/shared/api/transport';
import { tokenPairSchema, type Wire } from '@/shared/api/types';
import { tokensFrom, tokenStore } from '@/shared/auth/token-store';

export type Proof = { password: string } | { code: string };

/** This tab goes on with new tokens; nothing renews the old ones meanwhile, for they are dead then. */
async function reauthenticate(proof: Proof): Promise<void> {
  const sessionId = tokenStore.state().tokens?.sessionId ?? '';
  const body = proof satisfies Wire['Reauthenticate'];
  await authorized((accessToken) =>
    exclusively(sessionId, async () => {
      const path = '/v1/sessions/current/reauthenticate';
      const response = await send(path, { method: 'POST', body }, accessToken);
      if (response.ok) {
        const pair = await readJson(response, tokenPairSchema);
        tokenStore.renew(tokensFrom(sessionId, pair, Date.now()));
      }
      return response;
    }),
  );
}

/** For calls that send the password anyway: nobody types it twice. */
export async function proveBy(password: string): Promise<boolean> {
  await reauthenticate({ password });
  return true;
}

/** Proves once more who the caller is. */
export function useReauthenticate() {
  return useMutation({ mutationFn: reauthenticate, gcTime: 0 });
}
