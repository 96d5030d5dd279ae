/** The second factor of whoever is signed in. Secrets and recovery codes are never put into the cache. */
import { type QueryClient, useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const enrolmentSchema = z.object({
  secret: z.string(),
  otpauth_uri: z.string(),
  qr_svg: z.string(),
  expires_in: z.number(),
});
export type Enrolment = z.infer<typeof enrolmentSchema>;

const codesSchema = z.object({ recovery_codes: z.array(z.string()) });

async function enrol(): Promise<Enrolment> {
  return readJson(await call('/v1/me/totp', { method: 'POST' }), enrolmentSchema);
}

async function confirm(code: string): Promise<string[]> {
  const body = { code } satisfies Wire['ConfirmTotp'];
  const answer = await call('/v1/me/totp/confirm', { method: 'POST', body });
  return (await readJson(answer, codesSchema)).recovery_codes;
}

async function renewCodes(code: string): Promise<string[]> {
  const body = { code } satisfies Wire['CreateRecoveryCodes'];
  const answer = await call('/v1/me/totp/recovery-codes', { method: 'POST', body });
  return (await readJson(answer, codesSchema)).recovery_codes;
}

/** Whether a code is asked for is the operator's choice: none is sent before the server wants one. */
export type TurnOffProof = { code: string } | { recovery_code: string } | null;

async function turnOff(proof: TurnOffProof): Promise<void> {
  const body = proof satisfies Wire['DisableTotp'] | null;
  await call('/v1/me/totp', body === null ? { method: 'DELETE' } : { method: 'DELETE', body });
}

async function readMeAgain(client: QueryClient): Promise<void> {
  await client.invalidateQueries({ queryKey: ['me'] });
  await client.invalidateQueries({ queryKey: ['activity'] });
}

export function useEnrol() {
  return useMutation({ mutationFn: enrol, gcTime: 0 });
}

/** The codes are handed over before the account is read again, which takes the form that asked off the page. */
export function useConfirmTotp(onCodes: (codes: string[]) => void) {
  return useCodes(confirm, onCodes);
}

export function useRenewCodes(onCodes: (codes: string[]) => void) {
  return useCodes(renewCodes, onCodes);
}

function useCodes(mutationFn: (code: string) => Promise<string[]>, onCodes: (codes: string[]) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn,
    gcTime: 0,
    onSuccess: (codes) => {
      onCodes(codes);
      return readMeAgain(client);
    },
  });
}

export function useTurnOffTotp() {
  const client = useQueryClient();
  return useMutation({ mutationFn: turnOff, onSuccess: () => readMeAgain(client) });
}
