/**
 * Requests to the server: building them, sending them, reading the answers. Knows no token; `authorized.ts` adds
 * that. Never puts anything secret in a URL and never lets the browser send or store a cookie.
 */
import { NetworkError, problemFrom } from '@/shared/api/problem';
import type { paths } from '@/shared/api/schema';
import { type z } from '@/shared/lib/zod';

/** A pattern of the OpenAPI document with something in the place of each parameter. */
type Filled<Pattern extends string> = Pattern extends `${infer Before}{${string}}${infer After}`
  ? `${Before}${string}${Filled<After>}`
  : Pattern;

/** A path that the server's OpenAPI document has. */
export type ApiPath = Filled<Extract<keyof paths, string>>;

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
}

/** The position of this page's last write: reads ask for at least it, on whichever node they land. */
let lastWrite = 0;

export async function send(path: ApiPath, call: Call, accessToken: string | null): Promise<Response> {
  const response = await fetchOrFail(urlOf(path, call.query), requestInit(call, accessToken));
  notePosition(response);
  return response;
}

/** Passes a success on and throws everything else as a `ProblemError`. */
export async function successOf(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw await problemFrom(response);
}

export async function readJson<Schema extends z.ZodType>(
  response: Response,
  schema: Schema,
): Promise<z.output<Schema>> {
  return schema.parse(await response.json());
}

/** A call that needs no session. */
export async function callPublic(path: ApiPath, call: Call = {}): Promise<Response> {
  return successOf(await send(path, call, null));
}

export function urlOf(path: ApiPath, query: Call['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

export function notePosition(response: Response): void {
  const position = Number(response.headers.get('Gatelog-Position') ?? 0);
  if (position > lastWrite) lastWrite = position;
}

function requestInit(call: Call, accessToken: string | null): RequestInit {
  const method = call.method ?? 'GET';
  const headers = new Headers();
  if (accessToken !== null) headers.set('Authorization', `Bearer ${accessToken}`);
  if (call.body !== undefined) headers.set('Content-Type', 'application/json');
  if (method === 'GET' && lastWrite > 0) headers.set('Gatelog-Min-Position', String(lastWrite));
  return {
    method,
    headers,
    body: call.body === undefined ? null : JSON.stringify(call.body),
    signal: call.signal ?? null,
    credentials: 'omit',
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
  };
}

async function fetchOrFail(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new NetworkError('no answer', { cause: error });
  }
}
