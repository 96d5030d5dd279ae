import { useMutation, useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const linkSchema = z.object({ url: z.string().startsWith('/v1/links/'), expires_at: z.string() });

/** A player may be left alone for so long before it asks for more of the file. */
const SECONDS = 4 * 60 * 60;
/** A player gets its next link this long before the one that it has runs out. */
const RENEW_BEFORE_SECONDS = 10 * 60;

export interface Linked {
  mediaId: string;
  /** An output of a job; without it the file itself. */
  output?: { job: string; name: string };
}

async function createLink({ mediaId, output }: Linked): Promise<string> {
  const body = {
    expires_in: SECONDS,
    ...(output === undefined ? {} : { output }),
  } satisfies Wire['CreateLink'];
  const path = `/v1/media/${encodeURIComponent(mediaId)}/links` as const;
  return (await readJson(await call(path, { method: 'POST', body }), linkSchema)).url;
}

/**
 * A URL that works without a header, for a download. Whoever has it has the file until it runs out, so it is made
 * when it is wanted and kept nowhere.
 */
export function useCreateLink() {
  return useMutation({ mutationFn: createLink, gcTime: 0 });
}

/** A link by this machine's clock, which may differ from the server's: what counts is when it was asked for. */
async function playLink(linked: Linked) {
  const askedAtMs = Date.now();
  const url = await createLink(linked);
  return { url, askedAtMs, renewAtMs: askedAtMs + (SECONDS - RENEW_BEFORE_SECONDS) * 1000 };
}

/** A link for a player that is on screen: renewed before it runs out, and forgotten with the player. */
export function usePlayLink(linked: Linked) {
  const untilRenewal = (data: { renewAtMs: number } | undefined) =>
    data === undefined ? 0 : Math.max(1_000, data.renewAtMs - Date.now());
  return useQuery({
    queryKey: ['link', linked.mediaId, linked.output?.job, linked.output?.name],
    queryFn: () => playLink(linked),
    gcTime: 0,
    staleTime: ({ state }) => untilRenewal(state.data),
    refetchInterval: ({ state }) => (state.data === undefined ? false : untilRenewal(state.data)),
    refetchIntervalInBackground: true,
  });
}
