/** What the links of mails are for. Their tokens travel in bodies only, never in a URL that a server sees. */
import { useMutation } from '@tanstack/react-query';

import { callPublic } from '@/shared/api/transport';
import { type Wire } from '@/shared/api/types';

export interface Confirmation {
  token: string;
  /** That of a registration which the link completes; only then the server asks for it. */
  password?: string;
}

async function confirmEmail(body: Confirmation): Promise<void> {
  await callPublic('/v1/email-confirmations', {
    method: 'POST',
    body: body satisfies Wire['CreateEmailConfirmation'],
  });
}

async function askForReset(email: string): Promise<void> {
  const body = { email } satisfies Wire['CreatePasswordReset'];
  await callPublic('/v1/password-resets', { method: 'POST', body });
}

export interface Reset {
  token: string;
  password: string;
}

async function resetPassword({ token, password }: Reset): Promise<void> {
  const body = { token, new_password: password } satisfies Wire['ConfirmPasswordReset'];
  await callPublic('/v1/password-resets/confirm', { method: 'POST', body });
}

export function useConfirmEmail() {
  return useMutation({ mutationFn: confirmEmail, gcTime: 0 });
}

export function useAskForReset() {
  return useMutation({ mutationFn: askForReset });
}

export function useResetPassword() {
  return useMutation({ mutationFn: resetPassword, gcTime: 0 });
}
