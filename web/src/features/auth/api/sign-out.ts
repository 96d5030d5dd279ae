import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { tokenStore } from '@/shared/auth/token-store';

const NOT_TOLD =
  'You are signed out here, but the server could not be told: the session stays in the list until it expires ' +
  'or is ended from another device.';

async function endCurrentSession(): Promise<void> {
  await call('/v1/sessions/current', { method: 'DELETE' });
}

/** Signs out of this tab whatever happens; says so when the server did not hear of it. */
export function useSignOut() {
  return useMutation({
    mutationFn: endCurrentSession,
    onSuccess: () => {
      tokenStore.signOut('You are signed out.');
    },
    onError: () => {
      // Already signed out: the session had ended, and that notice is the better one.
      if (tokenStore.state().tokens !== null) tokenStore.signOut(NOT_TOLD);
    },
  });
}
