import { describe, expect, it } from 'vitest';

import { durationText, relativeTime } from '@/shared/lib/time';

const now = Date.parse('2026-03-10T12:00:00Z');

describe('relativeTime', () => {
  it.each([
    ['2026-03-10T11:59:30Z', 'just now'],
    ['2026-03-10T12:00:30Z', 'just now'],
    ['2026-03-10T11:57:00Z', '3 minutes ago'],
    ['2026-03-10T07:00:00Z', '5 hours ago'],
    ['2026-03-09T11:00:00Z', 'yesterday'],
    ['2026-03-13T13:00:00Z', 'in 3 days'],
  ])('%s is %s', (iso, text) => {
    expect(relativeTime(iso, now)).toBe(text);
  });
});

describe('durationText', () => {
  it.each([
    [1, '1 second'],
    [42.2, '43 seconds'],
    [300, '5 minutes'],
    [301, '6 minutes'],
    [7_201, '3 hours'],
  ])('%d s is %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});
