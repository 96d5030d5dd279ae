import { describe, expect, it } from 'vitest';

import { describeError, NetworkError, problemFrom } from '@/shared/api/problem';
import { problem } from '@/testing/fake-server';

describe('problemFrom', () => {
  it('reads every part of a problem document', async () => {
    const fields = [{ field: 'email', code: 'invalid', message: 'is not an address' }];
    const error = await problemFrom(problem(422, 'validation-failed', { errors: fields, request_id: 'r1' }));
    expect(error).toMatchObject({ status: 422, slug: 'validation-failed', requestId: 'r1', fields });
  });

  it('makes a problem of a page that is none', async () => {
    const page = new Response('<html>Bad gateway</html>', { status: 502, headers: { 'X-Request-Id': 'r2' } });
    const error = await problemFrom(page);
    expect(error).toMatchObject({ status: 502, slug: 'unknown', requestId: 'r2', fields: [] });
  });

  it.each([
    ['42', 42],
    ['not a date', null],
    [new Date(Date.now() - 5_000).toUTCString(), 0],
  ])('understands Retry-After: %s', async (header, seconds) => {
    const error = await problemFrom(problem(429, 'too-many-attempts', {}, { 'Retry-After': header }));
    expect(error.retryAfterSeconds).toBe(seconds);
  });
});

describe('describeError', () => {
  it('says how long to wait after too many attempts', async () => {
    const error = await problemFrom(problem(429, 'too-many-attempts', {}, { 'Retry-After': '42' }));
    expect(describeError(error)).toMatch(
      /^Too many attempts\. Try again in 42 seconds, at \d\d:\d\d:\d\d\.$/,
    );
  });

  it('names the request of a fault, and nothing of its inside', async () => {
    const error = await problemFrom(problem(500, 'internal-error', { request_id: 'r3' }));
    expect(describeError(error)).toContain('request r3');
    expect(describeError(error)).not.toContain('internal-error');
  });

  it('makes a sentence of a detail', async () => {
    expect(describeError(await problemFrom(problem(409, 'conflict')))).toBe('It is conflict.');
  });

  it('tells a broken connection from a refusal', () => {
    expect(describeError(new NetworkError('no answer'))).toContain('cannot be reached');
  });
});
