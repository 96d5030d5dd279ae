import { beforeEach, describe, expect, it } from 'vitest';

import { DeviceTokens } from '@/shared/auth/device-tokens';
import { memoryStorage } from '@/testing/memory-storage';

describe('DeviceTokens', () => {
  let browser: Storage;
  beforeEach(() => {
    browser = memoryStorage();
  });

  const open = () => new DeviceTokens(() => browser);

  it('keeps the newest token of each address, however it is typed', () => {
    open().keep('ada@example.test', 'first');
    open().keep('Ada@Example.test', 'second');
    open().keep('bob@example.test', 'other');
    expect(open().of(' ADA@example.test ')).toBe('second');
    expect(open().of('bob@example.test')).toBe('other');
    expect(open().of('eve@example.test')).toBeUndefined();
  });

  it('does not show who signed in', () => {
    open().keep('ada@example.test', 'first');
    expect(browser.getItem('gatelog.devices')).not.toMatch(/ada|example/i);
  });

  it('forgets the oldest of many', () => {
    for (let n = 0; n < 25; n += 1) open().keep(`person${n}@example.test`, `token${n}`);
    expect(open().of('person4@example.test')).toBeUndefined();
    expect(open().of('person5@example.test')).toBe('token5');
  });

  it('takes broken content for none', () => {
    browser.setItem('gatelog.devices', '{"address":');
    expect(open().of('ada@example.test')).toBeUndefined();
    open().keep('ada@example.test', 'first');
    expect(open().of('ada@example.test')).toBe('first');
  });

  it('does without a browser that keeps nothing', () => {
    const refusing = new DeviceTokens(() => {
      throw new Error('denied');
    });
    refusing.keep('ada@example.test', 'first');
    expect(refusing.of('ada@example.test')).toBeUndefined();
  });
});
