/** Errors as the application sees them; the only place that reads `application/problem+json` (RFC 9457). */
import { clockTime, durationText } from '@/shared/lib/time';
import { z } from '@/shared/lib/zod';

const fieldErrorSchema = z.object({ field: z.string(), code: z.string(), message: z.string() });
export type FieldError = z.infer<typeof fieldErrorSchema>;

const problemSchema = z.object({
  type: z.string().catch(''),
  title: z.string().catch(''),
  detail: z.string().catch(''),
  request_id: z.string().nullish().catch(null),
  errors: z.array(fieldErrorSchema).catch([]),
});

interface ProblemParts {
  status: number;
  slug: string;
  detail: string;
  requestId?: string | null;
  fields?: readonly FieldError[];
  retryAfterSeconds?: number | null;
}

/** An answer of the server that is not a success. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  /** The last part of the problem's `type`, for example `email-taken`. */
  readonly slug: string;
  readonly requestId: string | null;
  /** The fields that are wrong; empty but for a 422. */
  readonly fields: readonly FieldError[];
  readonly retryAfterSeconds: number | null;
  readonly #receivedAtMs = Date.now();

  constructor(parts: ProblemParts) {
    super(parts.detail);
    this.status = parts.status;
    this.slug = parts.slug;
    this.requestId = parts.requestId ?? null;
    this.fields = parts.fields ?? [];
    this.retryAfterSeconds = parts.retryAfterSeconds ?? null;
  }

  /** The token is of no use any more: the session has ended, or never was. */
  get endsSession(): boolean {
    return this.status === 401 && ['invalid-token', 'refresh-token-reused', 'unknown'].includes(this.slug);
  }

  /** The call was refused, unread, because the last proof of identity is too old. */
  get needsProof(): boolean {
    return this.status === 403 && this.slug === 'reauthentication-required';
  }

  /** When another attempt makes sense: milliseconds since 1970, by this machine's clock. */
  get retryAtMs(): number | null {
    return this.retryAfterSeconds === null ? null : this.#receivedAtMs + this.retryAfterSeconds * 1000;
  }
}

/** The server was not reached, or the connection broke. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

/** Reads the problem out of an answer. What is not a problem document (a proxy's page) still becomes one. */
export async function problemFrom(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => ({}));
  const parsed = problemSchema.safeParse(body);
  const problem = parsed.success ? parsed.data : problemSchema.parse({});
  return new ProblemError({
    status: response.status,
    slug: /\/problems\/([a-z0-9-]+)$/.exec(problem.type)?.[1] ?? 'unknown',
    detail: problem.detail || problem.title || `The server answered with status ${response.status}.`,
    requestId: problem.request_id ?? response.headers.get('X-Request-Id'),
    fields: problem.errors,
    retryAfterSeconds: retryAfter(response.headers.get('Retry-After')),
  });
}

/** RFC 9110, 10.2.3: whole seconds, or a date. */
function retryAfter(value: string | null): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value);
  const seconds = (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, Math.ceil(seconds));
}

/** One text for people, whatever went wrong. */
export function describeError(error: unknown): string {
  if (error instanceof NetworkError)
    return 'The server cannot be reached. Check the connection and try again.';
  if (!(error instanceof ProblemError)) return 'The answer of the server was not understood.';
  if (error.needsProof) return 'Nothing has changed: this needs your password or a code once more.';
  const wait =
    error.retryAfterSeconds === null ? '' : ` Try again in ${durationText(error.retryAfterSeconds)}.`;
  if (error.status === 429) return tooManyText(error);
  if (error.status >= 500) return `The server has a problem.${wait}${requestText(error)}`;
  return sentence(error.message);
}

/** With the time of day, because the message may stand on screen for longer than "in 30 seconds" is true. */
function tooManyText({ retryAfterSeconds, retryAtMs }: ProblemError): string {
  if (retryAfterSeconds === null || retryAtMs === null) return 'Too many attempts. Try again later.';
  return `Too many attempts. Try again in ${durationText(retryAfterSeconds)}, at ${clockTime(retryAtMs)}.`;
}

function requestText(error: ProblemError): string {
  return error.requestId === null ? '' : ` If it stays, tell the operator: request ${error.requestId}.`;
}

/** Details begin in lower case and end without a stop; on screen they are sentences. */
function sentence(detail: string): string {
  const begun = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
