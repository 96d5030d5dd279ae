/** Stands in for the server: answers `fetch` from a table of routes and keeps what was asked. */
import { vi } from 'vitest';

export interface Asked {
  readonly route: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: unknown;
}

type Answer = (asked: Asked) => Response | Promise<Response>;

/** Routes are "METHOD /path", without the query. A call that no route answers fails the test that made it. */
export function serve(routes: Readonly<Record<string, Answer>>): Asked[] {
  const log: Asked[] = [];
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const [path = ''] = url.split('?');
    const route = `${init.method ?? 'GET'} ${path}`;
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    const asked = { route, url, headers: new Headers(init.headers), body };
    log.push(asked);
    const answer = routes[route];
    if (answer === undefined) throw new Error(`no answer for ${route}`);
    return answer(asked);
  });
  return log;
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

export function problem(
  status: number,
  slug: string,
  extra: object = {},
  headers: Record<string, string> = {},
): Response {
  const body = { type: `/problems/${slug}`, title: slug, status, detail: `it is ${slug}`, ...extra };
  return json(status, body, { 'Content-Type': 'application/problem+json', ...headers });
}

export function empty(headers: Record<string, string> = {}): Response {
  return new Response(null, { status: 204, headers });
}

/** A stream of server-sent events that the test writes while it is read. */
export function eventStream() {
  const encoder = new TextEncoder();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  return {
    response: new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } }),
    send: (name: string, data: unknown) => {
      const text = `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
      void writer.write(encoder.encode(text)).catch(() => undefined);
    },
  };
}
