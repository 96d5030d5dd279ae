import { useInfiniteQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { mediaSchema, pageOf } from '@/shared/api/types';

async function listMedia(cursor: string | undefined, signal: AbortSignal) {
  return readJson(await call('/v1/media', { query: { cursor }, signal }), pageOf(mediaSchema));
}

export function useMediaList() {
  return useInfiniteQuery({
    queryKey: ['media'],
    queryFn: ({ pageParam, signal }) => listMedia(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    select: (data) => data.pages.flatMap((page) => page.items),
  });
}
