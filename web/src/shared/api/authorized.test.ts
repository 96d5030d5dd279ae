import { describe, expect, it } from 'vitest';

import { call } from '@/shared/api/authorized';
import { SESSION_ENDED } from '@/shared/api/refresh';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { nextPair, tokens } from '@/testing/samples';

const due = () => tokens({ renewAtMs: Date.now() - 1 });

describe('a call on behalf of somebody', () => {
  it('carries the token in the header and nowhere else', async () => {
    tokenStore.signIn(tokens());
    const log = serve({ 'GET /v1/me': () => json(200, {}) });
    await call('/v1/me', { query: { limit: 5 } });
    expect(log[0]?.headers.get('Authorization')).toBe('Bearer access-1');
    expect(log[0]?.url).toBe('/v1/me?limit=5');
  });

  it('asks for at least the position of the last write', async () => {
    tokenStore.signIn(tokens());
    const log = serve({
      'DELETE /v1/media/m1': () => empty({ 'Gatelog-Position': '17' }),
      'GET /v1/media': () => json(200, {}),
    });
    await call('/v1/media/m1', { method: 'DELETE' });
    await call('/v1/media');
    expect(log[1]?.headers.get('Gatelog-Min-Position')).toBe('17');
  });

  it('is not sent when nobody is signed in', async () => {
    const log = serve({});
    await expect(call('/v1/me')).rejects.toMatchObject({ status: 401 });
    expect(log).toEqual([]);
  });
});

describe('renewal', () => {
  it('happens once for calls that need it together', async () => {
    tokenStore.signIn(due());
    const log = serve({
      'POST /v1/tokens/refresh': () => json(200, nextPair),
      'GET /v1/me': () => json(200, {}),
    });
    await Promise.all([call('/v1/me'), call('/v1/me'), call('/v1/me')]);
    expect(log.filter(({ route }) => route === 'POST /v1/tokens/refresh')).toHaveLength(1);
    expect(log.at(-1)?.headers.get('Authorization')).toBe('Bearer access-2');
    expect(tokenStore.state().tokens?.refreshToken).toBe('refresh-2');
  });

  it('follows a refusal once, and the call is repeated', async () => {
    tokenStore.signIn(tokens());
    const log = serve({
      'POST /v1/tokens/refresh': () => json(200, nextPair),
      'GET /v1/me': ({ headers }) =>
        headers.get('Authorization') === 'Bearer access-2' ? json(200, {}) : problem(401, 'invalid-token'),
    });
    await call('/v1/me');
    expect(log.map(({ route }) => route)).toEqual(['GET /v1/me', 'POST /v1/tokens/refresh', 'GET /v1/me']);
  });

  it('that is refused signs out with a word why', async () => {
    tokenStore.signIn(due());
    serve({ 'POST /v1/tokens/refresh': () => problem(401, 'invalid-token') });
    await expect(call('/v1/me')).rejects.toMatchObject({ status: 401 });
    expect(tokenStore.state()).toEqual({ tokens: null, notice: SESSION_ENDED });
  });

  it('that fails for another reason leaves the session alone', async () => {
    tokenStore.signIn(due());
    serve({ 'POST /v1/tokens/refresh': () => problem(503, 'overloaded') });
    await expect(call('/v1/me')).rejects.toMatchObject({ status: 503 });
    expect(tokenStore.state().tokens).not.toBeNull();
  });

  it('signs nobody back in who signed out meanwhile', async () => {
    tokenStore.signIn(due());
    serve({
      'POST /v1/tokens/refresh': () => {
        tokenStore.signOut(null);
        return json(200, nextPair);
      },
      'GET /v1/me': () => problem(401, 'invalid-token'),
    });
    await expect(call('/v1/me')).rejects.toMatchObject({ status: 401 });
    expect(tokenStore.state().tokens).toBeNull();
  });

  it('a second refusal ends the session instead of trying for ever', async () => {
    tokenStore.signIn(tokens());
    const log = serve({
      'POST /v1/tokens/refresh': () => json(200, nextPair),
      'GET /v1/me': () => problem(401, 'invalid-token'),
    });
    await expect(call('/v1/me')).rejects.toMatchObject({ status: 401 });
    expect(log).toHaveLength(3);
    expect(tokenStore.state()).toEqual({ tokens: null, notice: SESSION_ENDED });
  });
});
