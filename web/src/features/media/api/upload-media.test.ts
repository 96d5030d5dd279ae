import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { uploadMedia } from '@/features/media/api/upload-media';
import { ProblemError } from '@/shared/api/problem';
import { tokenStore } from '@/shared/auth/token-store';
import { json, serve } from '@/testing/fake-server';

interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A server of uploads whose answers the test gives; `null` breaks the connection. */
function uploads(answers: (Answer | null)[]): { stack: HttpStack; sent: Sent[] } {
  const sent: Sent[] = [];
  const createRequest = (method: string, url: string): HttpRequest => {
    const headers: Record<string, string> = {};
    const request: HttpRequest = {
      getMethod: () => method,
      getURL: () => url,
      setHeader: (name, value) => {
        headers[name] = value;
      },
      getHeader: (name) => headers[name],
      setProgressHandler: () => undefined,
      abort: () => Promise.resolve(),
      getUnderlyingObject: () => undefined,
      send: () => {
        sent.push({ method, url, headers });
        const answer = answers.shift();
        if (!answer) return Promise.reject(new Error('broken'));
        const response: HttpResponse = {
          getStatus: () => answer.status,
          getHeader: (name) => answer.headers?.[name],
          getBody: () => answer.body ?? '',
          getUnderlyingObject: () => undefined,
        };
        return Promise.resolve(response);
      },
    };
    return request;
  };
  return { stack: { createRequest, getName: () => 'test' }, sent };
}

const ID = '01890000-0000-7000-8000-000000000001';
const MEDIA = {
  id: ID,
  name: 'a.mp4',
  bytes: 4,
  sha256: 'ab'.repeat(32),
  content_type: 'video/mp4',
  created_at: '2026-01-01T00:00:00Z',
};
const TOKENS = { sessionId: 's', accessToken: 'aa', renewAtMs: Date.now() + 3_600_000, refreshToken: 'bb' };
const file = new File(['film'], 'a.mp4');
const made = { status: 201, headers: { Location: '/v1/uploads/1', 'Upload-Offset': '0' } };
const done = { status: 204, headers: { 'Upload-Offset': '4', 'Gatelog-Media-Id': ID } };

function send(stack: HttpStack) {
  const signal = new AbortController().signal;
  return uploadMedia(file, { onProgress: vi.fn(), signal }, stack);
}

describe('uploadMedia', () => {
  beforeEach(() => {
    tokenStore.signIn(TOKENS);
    serve({ [`GET /v1/media/${ID}`]: () => json(200, MEDIA) });
  });

  it('makes an upload, sends its pieces with the token, and gives the file', async () => {
    const { stack, sent } = uploads([made, done]);
    await expect(send(stack)).resolves.toMatchObject({ id: ID, name: 'a.mp4' });
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
    expect(sent[0]?.headers).toMatchObject({ 'Upload-Length': '4', 'Upload-Metadata': 'filename YS5tcDQ=' });
    expect(sent.map(({ headers }) => headers.Authorization)).toEqual(['Bearer aa', 'Bearer aa']);
  });

  it('goes on where it was when the connection breaks', async () => {
    const at = { status: 200, headers: { 'Upload-Offset': '2', 'Upload-Length': '4' } };
    const { stack, sent } = uploads([made, null, at, done]);
    await expect(send(stack)).resolves.toMatchObject({ id: ID });
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'HEAD', 'PATCH']);
    expect(sent[3]?.headers['Upload-Offset']).toBe('2');
  });

  it('tells the problem of what is refused, and tries no more', async () => {
    const body = JSON.stringify({
      type: '/problems/quota-exceeded',
      title: 'full',
      status: 413,
      detail: 'full',
    });
    const { stack, sent } = uploads([{ status: 413, body }]);
    const error = await send(stack).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ status: 413, slug: 'quota-exceeded' });
    expect(sent).toHaveLength(1);
  });
});
