/** The resources of the HTTP contract, checked at the edge: what does not parse never gets further in. */
import type { components } from '@/shared/api/schema';
import { z } from '@/shared/lib/zod';

const text = z.string().nullish();

export const userSchema = z.object({
  id: z.string(),
  email: z.string(),
  email_verified: z.boolean(),
  name: text,
  totp_enabled: z.boolean(),
  /** Until it is on, most calls of such an account are refused. */
  second_factor_required: z.boolean(),
  recovery_codes_left: z.number(),
  roles: z.array(z.string()),
  created_at: z.string(),
  /** When the account is erased, if its person asked for that. */
  erase_at: text,
});
export type User = z.infer<typeof userSchema>;

export const sessionSchema = z.object({
  id: z.string(),
  current: z.boolean(),
  device: z.object({ name: text, browser: text, os: text, kind: text }).nullish(),
  ip: text,
  created_at: z.string(),
  last_seen_at: text,
  expires_at: z.string(),
  auth_methods: z.array(z.string()),
  ended_at: text,
  end_reason: text,
});
export type Session = z.infer<typeof sessionSchema>;

/** Lifetimes are whole seconds from the moment of the answer. */
export const tokenPairSchema = z.object({
  access_token: z.string(),
  expires_in: z.number(),
  refresh_token: z.string(),
  refresh_expires_in: z.number(),
});
export type TokenPair = z.infer<typeof tokenPairSchema>;

export const signedInSchema = tokenPairSchema.extend({
  session: sessionSchema,
  user: userSchema,
  /** For the next sign-in of this device; opens nothing. */
  device_token: z.string(),
});
export type SignedIn = z.infer<typeof signedInSchema>;

export const mediaSchema = z.object({
  id: z.string(),
  name: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  content_type: z.string(),
  created_at: z.string(),
});
export type Media = z.infer<typeof mediaSchema>;

export const jobSchema = z.object({
  id: z.string(),
  media_id: z.string(),
  preset: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  /** From 0 to 1. */
  progress: z.number().nullish(),
  error: z.object({ code: z.string(), detail: text, retryable: z.boolean().nullish() }).nullish(),
  outputs: z.array(z.object({ name: z.string(), content_type: z.string(), bytes: z.number() })),
  /** Its shape depends on the preset. */
  result: z.unknown().optional(),
  created_at: z.string(),
});
export type Job = z.infer<typeof jobSchema>;

export type Preset = 'metadata' | 'poster' | 'web-video' | 'preview' | 'audio' | 'image' | 'waveform' | 'hls';

/**
 * The server's own types, made from its OpenAPI document, must be what the schemas take: a field that it renames or
 * no longer sends does not compile here. Of enumerations the document says only that they are texts.
 */
export type Wire = components['schemas'];
type Takes<Schema extends z.ZodType, Sent extends z.input<Schema>> = Sent;
export type Checked = [
  Takes<typeof userSchema, Wire['User']>,
  Takes<typeof sessionSchema, Wire['Session']>,
  Takes<typeof tokenPairSchema, Wire['Tokens']>,
  Takes<typeof signedInSchema, Wire['SignedIn']>,
  Takes<typeof mediaSchema, Wire['Media']>,
  Takes<typeof jobSchema, Wire['Job'] & { state: Job['state'] }>,
];

/** One page of a list; `next_cursor` is opaque and null on the last page. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullish() });
}
