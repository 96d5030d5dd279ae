import { describe, expect, it } from 'vitest';

import { activityText, actorText } from '@/features/auth/activity-text';

const what = (type: string, end_reason: string | null = null) =>
  activityText({ at: '2026-01-01T00:00:00Z', by: 'person', type, end_reason });

describe('activityText', () => {
  it.each([
    [what('UserNameChanged'), 'Name changed'],
    [what('SessionEnded', 'signed_out'), 'Session ended: signed out'],
    [what('SessionEnded', 'from_the_future'), 'Session ended: from the future'],
    [what('SomethingNew'), 'SomethingNew'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});

describe('actorText', () => {
  it.each([
    ['person', 'by you'],
    ['administrator', 'by an administrator'],
    ['robot', 'by robot'],
  ])('%s', (by, text) => {
    expect(actorText({ at: '2026-01-01T00:00:00Z', by, type: 'UserNameChanged' })).toBe(text);
  });
});
