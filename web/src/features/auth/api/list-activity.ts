import { useInfiniteQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { pageOf, type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const activitySchema = z.object({
  at: z.string(),
  type: z.string(),
  by: z.string(),
  session_id: z.string().nullish(),
  end_reason: z.string().nullish(),
});
export type Activity = z.infer<typeof activitySchema>;

/** What the server sends must be what the schema takes. */
type Takes<Sent extends z.input<typeof activitySchema>> = Sent;
export type CheckedActivity = Takes<Wire['Activity']>;

const PAGE_SIZE = 10;

async function listActivity(cursor: string | undefined, signal: AbortSignal) {
  const query = { limit: PAGE_SIZE, cursor };
  return readJson(await call('/v1/me/activity', { query, signal }), pageOf(activitySchema));
}

/** What happened to the account, newest first. */
export function useActivity() {
  return useInfiniteQuery({
    queryKey: ['activity'],
    queryFn: ({ pageParam, signal }) => listActivity(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    select: (data) => data.pages.flatMap((page) => page.items),
  });
}
