import { type QueryClient } from '@tanstack/react-query';

import { forgetPerson } from '@/shared/api/query-client';
import { type SignedIn } from '@/shared/api/types';
import { deviceTokens } from '@/shared/auth/device-tokens';
import { tokensFrom, tokenStore } from '@/shared/auth/token-store';

/** Starts the signed-in life of this tab. Nothing of whoever was here before stays in the cache. */
export function acceptSignIn(queryClient: QueryClient, answer: SignedIn): void {
  forgetPerson(queryClient);
  queryClient.setQueryData(['me'], answer.user);
  deviceTokens.keep(answer.user.email, answer.device_token);
  tokenStore.signIn(tokensFrom(answer.session.id, answer, Date.now()));
}
