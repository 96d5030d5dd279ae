import { useMutation, useQueryClient } from '@tanstack/react-query';

import { acceptSignIn } from '@/features/auth/accept-sign-in';
import { callPublic, readJson } from '@/shared/api/transport';
import { type SignedIn, signedInSchema } from '@/shared/api/types';

/** Exactly one of the two codes goes with the challenge. */
export type SecondFactor = { challenge: string } & ({ code: string } | { recovery_code: string });

async function answerChallenge(body: SecondFactor): Promise<SignedIn> {
  return readJson(await callPublic('/v1/sessions/second-factor', { method: 'POST', body }), signedInSchema);
}

export function useSecondFactor() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: answerChallenge,
    onSuccess: (answer) => {
      acceptSignIn(queryClient, answer);
    },
  });
}
