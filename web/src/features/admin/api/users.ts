/** Accounts of others, and what an administrator does to them. */
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { pageOf, userSchema, type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const adminUserSchema = userSchema.extend({ state: z.enum(['active', 'disabled']) });
export type AdminUser = z.infer<typeof adminUserSchema>;

export const ROLES = ['admin', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export interface Search {
  /** A whole address, or the beginning of an identifier; empty finds all. */
  query: string;
  role: Role | '';
  state: AdminUser['state'] | '';
}

async function listUsers(search: Search, cursor: string | undefined, signal: AbortSignal) {
  const query = {
    query: search.query || undefined,
    role: search.role || undefined,
    state: search.state || undefined,
    cursor,
  };
  return readJson(await call('/v1/admin/users', { query, signal }), pageOf(adminUserSchema));
}

export function useUsers(search: Search) {
  return useInfiniteQuery({
    queryKey: ['admin-users', search],
    queryFn: ({ pageParam, signal }) => listUsers(search, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    select: (data) => data.pages.flatMap((page) => page.items),
  });
}

export type Act =
  | { kind: 'disable' }
  | { kind: 'enable' }
  | { kind: 'end-sessions' }
  | { kind: 'reset-totp' }
  | { kind: 'roles'; roles: readonly Role[] };

async function perform(id: string, act: Act): Promise<void> {
  const user = encodeURIComponent(id);
  switch (act.kind) {
    case 'disable':
    case 'enable':
      await call(`/v1/admin/users/${user}/${act.kind}`, { method: 'POST' });
      return;
    case 'end-sessions':
      await call(`/v1/admin/users/${user}/sessions`, { method: 'DELETE' });
      return;
    case 'reset-totp':
      await call(`/v1/admin/users/${user}/totp`, { method: 'DELETE' });
      return;
    case 'roles': {
      const body = { roles: [...act.roles] } satisfies Wire['ChangeRoles'];
      await call(`/v1/admin/users/${user}/roles`, { method: 'POST', body });
    }
  }
}

/** Does something to an account. The caller's own account may be the one, so it is read again, too. */
export function useAct(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: Act) => perform(id, act),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['admin-users'] });
      await client.invalidateQueries({ queryKey: ['me'] });
    },
  });
}
