import { useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Media, mediaSchema } from '@/shared/api/types';

export async function getMedia(id: string, signal: AbortSignal): Promise<Media> {
  return readJson(await call(`/v1/media/${encodeURIComponent(id)}`, { signal }), mediaSchema);
}

export function useMedia(id: string) {
  return useQuery({ queryKey: ['medium', id], queryFn: ({ signal }) => getMedia(id, signal) });
}
