import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Wire } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const linkSchema = z.object({ url: z.string().startsWith('/v1/links/'), expires_at: z.string() });

/** A player may be left alone for so long before it asks for more of the file. */
const SECONDS = 4 * 60 * 60;

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
 * A URL that works without a header, for players and downloads. Whoever has it has the file until it runs out, so it
 * is made when it is wanted and kept nowhere.
 */
export function useCreateLink() {
  return useMutation({ mutationFn: createLink, gcTime: 0 });
}
