import { useInfiniteQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { pageOf, sessionSchema } from '@/shared/api/types';

export type SessionState = 'active' | 'ended';

const REFRESH_MS = 30_000;

async function listSessions(state: SessionState, cursor: string | undefined, signal: AbortSignal) {
  const response = await call('/v1/sessions', { query: { state, cursor }, signal });
  return readJson(response, pageOf(sessionSchema));
}

/** The account's sessions, page by page. Active ones are looked up again by themselves: they end elsewhere. */
export function useSessions(state: SessionState) {
  return useInfiniteQuery({
    queryKey: ['sessions', state],
    queryFn: ({ pageParam, signal }) => listSessions(state, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    select: (data) => data.pages.flatMap((page) => page.items),
    refetchInterval: state === 'active' ? REFRESH_MS : false,
  });
}
