import { describe, expect, it } from 'vitest';

import { renewedUrl } from '@/features/media/stream-player';

describe('renewedUrl', () => {
  it('takes every file of a stream by the newest link', () => {
    const link = '/v1/links/new/master.m3u8';
    expect(renewedUrl('/v1/links/old/master.m3u8', link)).toBe(link);
    expect(renewedUrl('https://gatelog.example/v1/links/old/v360p.m4s', link)).toBe(
      '/v1/links/new/v360p.m4s',
    );
  });
});
