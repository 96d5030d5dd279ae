/** Service keys. A new key is shown once and is never put into the cache. */
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { pageOf, type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const serviceKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  expires_at: z.string().nullish(),
  revoked_at: z.string().nullish(),
});
export type ServiceKey = z.infer<typeof serviceKeySchema>;

const newServiceKeySchema = serviceKeySchema.extend({ key: z.string() });

export const SCOPES = [
  ['audit', 'Read the log'],
  ['introspect', 'Ask about tokens'],
  ['revoke', 'End the sessions of tokens'],
] as const;

const KEYS = ['admin-service-keys'];

async function listServiceKeys(cursor: string | undefined, signal: AbortSignal) {
  const response = await call('/v1/admin/service-keys', { query: { cursor }, signal });
  return readJson(response, pageOf(serviceKeySchema));
}

export function useServiceKeys() {
  return useInfiniteQuery({
    queryKey: KEYS,
    queryFn: ({ pageParam, signal }) => listServiceKeys(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    select: (data) => data.pages.flatMap((page) => page.items),
  });
}

export interface Wanted {
  name: string;
  scopes: readonly string[];
  /** A day, as its form field has it; empty for a key without an end. */
  expires: string;
}

async function createServiceKey({ name, scopes, expires }: Wanted) {
  const body = {
    name,
    scopes: [...scopes],
    expires_at: expires === '' ? null : `${expires}T23:59:59Z`,
  } satisfies Wire['CreateServiceKey'];
  const response = await call('/v1/admin/service-keys', { method: 'POST', body });
  return readJson(response, newServiceKeySchema);
}

export function useCreateServiceKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: createServiceKey,
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useRevokeServiceKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await call(`/v1/admin/service-keys/${encodeURIComponent(id)}`, { method: 'DELETE' });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: KEYS }),
  });
}
