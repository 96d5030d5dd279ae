import { useMutation } from '@tanstack/react-query';

import { proveBy } from '@/features/auth/api/reauthenticate';
import { call } from '@/shared/api/authorized';
import { type Wire } from '@/shared/api/types';

export interface EmailChange {
  email: string;
  password: string;
}

async function changeEmail(change: EmailChange): Promise<void> {
  const body = change satisfies Wire['ChangeEmail'];
  await call('/v1/me/email', { method: 'POST', body }, () => proveBy(change.password));
}

async function cancelEmailChange(): Promise<void> {
  await call('/v1/me/email', { method: 'DELETE' });
}

export function useChangeEmail() {
  return useMutation({ mutationFn: changeEmail, gcTime: 0 });
}

export function useCancelEmailChange() {
  return useMutation({ mutationFn: cancelEmailChange });
}
