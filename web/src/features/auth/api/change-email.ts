import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { type Wire } from '@/shared/api/types';

export interface EmailChange {
  email: string;
  password: string;
}

async function changeEmail(change: EmailChange): Promise<void> {
  await call('/v1/me/email', { method: 'POST', body: change satisfies Wire['ChangeEmail'] });
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
