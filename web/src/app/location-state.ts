import { z } from '@/shared/lib/zod';

/** What one page tells the next. Kept in the history entry, so never a secret. */
export const locationStateSchema = z
  .object({
    /** The path that was asked for before sign-in. */
    from: z.string().startsWith('/').optional(),
    /** The address that was just registered. */
    registered: z.string().optional(),
  })
  .catch({});
