import { useSyncExternalStore } from 'react';

import { type AuthState, tokenStore } from '@/shared/auth/token-store';

/** Who is signed in in this tab; renders again when that changes. */
export function useAuth(): AuthState {
  return useSyncExternalStore(tokenStore.subscribe, tokenStore.state);
}
