import { type QueryClient, useMutation, useQueryClient } from '@tanstack/react-query';

import { proveBy } from '@/features/auth/api/reauthenticate';
import { call } from '@/shared/api/authorized';
import { type Wire } from '@/shared/api/types';

async function askForDeletion(password: string): Promise<void> {
  const body = { password } satisfies Wire['CreateDeletion'];
  await call('/v1/me/deletion', { method: 'POST', body }, () => proveBy(password));
}

async function takeBackDeletion(): Promise<void> {
  await call('/v1/me/deletion', { method: 'DELETE' });
}

async function readAgain(client: QueryClient): Promise<void> {
  await client.invalidateQueries({ queryKey: ['me'] });
  await client.invalidateQueries({ queryKey: ['activity'] });
}

export function useAskForDeletion() {
  const client = useQueryClient();
  return useMutation({ mutationFn: askForDeletion, gcTime: 0, onSuccess: () => readAgain(client) });
}

export function useTakeBackDeletion() {
  const client = useQueryClient();
  return useMutation({ mutationFn: takeBackDeletion, onSuccess: () => readAgain(client) });
}
