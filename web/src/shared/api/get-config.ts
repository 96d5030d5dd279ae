import { useQuery } from '@tanstack/react-query';

import { callPublic, readJson } from '@/shared/api/transport';
import { z } from '@/shared/lib/zod';

const passwordSchema = z.object({
  min_length: z.number().catch(8),
  max_length: z.number().catch(256),
  require_uppercase: z.boolean().catch(true),
  require_lowercase: z.boolean().catch(true),
  require_digit: z.boolean().catch(true),
  require_symbol: z.boolean().catch(true),
});
export type PasswordPolicy = z.infer<typeof passwordSchema>;

/** The rules of a server without settings, while this one has not yet told its own. */
export const DEFAULT_PASSWORD_POLICY = passwordSchema.parse({});

/** What the server says about itself. A part that it leaves out has its default. */
const configSchema = z.object({
  registration: z.enum(['open', 'verify_first', 'closed']).catch('open'),
  password: passwordSchema.catch(DEFAULT_PASSWORD_POLICY),
  upload: z.object({ max_bytes: z.number().nullable().catch(null) }).catch({ max_bytes: null }),
});
export type Config = z.infer<typeof configSchema>;

async function getConfig(signal: AbortSignal): Promise<Config> {
  return readJson(await callPublic('/v1/config', { signal }), configSchema);
}

export function useConfig() {
  return useQuery({
    queryKey: ['config'],
    queryFn: ({ signal }) => getConfig(signal),
    staleTime: 5 * 60_000,
    meta: { isPublic: true },
  });
}
