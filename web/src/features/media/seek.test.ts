import { describe, expect, it } from 'vitest';

import { secondsToMs } from '@/features/media/seek';

describe('secondsToMs', () => {
  it.each([
    ['2.5', 2_500],
    [' 0 ', 0],
    ['1,25', 1_250],
    ['4294967', 4_294_967_000],
    ['', null],
    ['-1', null],
    ['1e3', null],
    ['2.5555', null],
    ['9999999', null],
    ['1:20', null],
  ])('"%s" is %s', (text, ms) => {
    expect(secondsToMs(text)).toBe(ms);
  });
});
