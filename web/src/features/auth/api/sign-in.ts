import { useMutation, useQueryClient } from '@tanstack/react-query';

import { acceptSignIn } from '@/features/auth/accept-sign-in';
import { callPublic, readJson } from '@/shared/api/transport';
import { signedInSchema, type Wire } from '@/shared/api/types';
import { deviceTokens } from '@/shared/auth/device-tokens';
import { z } from '@/shared/lib/zod';

export interface Credentials {
  email: string;
  password: string;
}

/** The password was right and a second factor is due; no session exists yet. */
const challengeSchema = z.object({
  challenge: z.string(),
  methods: z.array(z.string()),
  expires_in: z.number(),
});
export type Challenge = z.infer<typeof challengeSchema>;

async function signIn(credentials: Credentials) {
  const response = await callPublic('/v1/sessions', {
    method: 'POST',
    body: {
      ...credentials,
      device_token: deviceTokens.of(credentials.email) ?? null,
    } satisfies Wire['CreateSession'],
  });
  if (response.status === 202) return { challenge: await readJson(response, challengeSchema) };
  return { signedIn: await readJson(response, signedInSchema) };
}

export function useSignIn(onChallenge: (challenge: Challenge) => void) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: signIn,
    onSuccess: (answer) => {
      if (answer.challenge) onChallenge(answer.challenge);
      else acceptSignIn(queryClient, answer.signedIn);
    },
  });
}
