import { waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it } from 'vitest';

import { tokensFrom, TokenStore } from '@/shared/auth/token-store';
import { memoryStorage } from '@/testing/memory-storage';
import { nextPair, tokens } from '@/testing/samples';

describe('TokenStore', () => {
  let tab: Storage;
  beforeEach(() => {
    tab = memoryStorage();
  });

  it('survives a reload of the tab', () => {
    new TokenStore(tab).signIn(tokens());
    expect(new TokenStore(tab).state().tokens?.accessToken).toBe('access-1');
  });

  it('takes broken content for nobody signed in', () => {
    tab.setItem('gatelog.tokens', '{"accessToken":');
    expect(new TokenStore(tab).state().tokens).toBeNull();
  });

  it('leaves nothing behind after signing out', () => {
    const store = new TokenStore(tab);
    store.signIn(tokens());
    store.signOut('why');
    expect(tab.length).toBe(0);
    expect(store.state()).toEqual({ tokens: null, notice: 'why' });
  });

  it('ignores a renewal of a session that it has left', () => {
    const store = new TokenStore(tab);
    store.signIn(tokens({ sessionId: 's2' }));
    store.renew(tokens({ accessToken: 'access-2' }));
    expect(store.state().tokens).toMatchObject({ sessionId: 's2', accessToken: 'access-1' });
  });

  it('tells copies of the tab of a renewal, and other sessions nothing', async () => {
    const [store, copy, other] = [
      new TokenStore(tab),
      new TokenStore(memoryStorage()),
      new TokenStore(memoryStorage()),
    ];
    store.signIn(tokens());
    copy.signIn(tokens());
    other.signIn(tokens({ sessionId: 's2' }));
    store.renew(tokens({ accessToken: 'access-2', refreshToken: 'refresh-2' }));
    await waitFor(() => {
      expect(copy.state().tokens?.refreshToken).toBe('refresh-2');
    });
    expect(other.state().tokens?.refreshToken).toBe('refresh-1');
  });

  it.each([
    [900, 870_000],
    [20, 10_000],
  ])('renews a token of %d s after %d ms', (seconds, afterMs) => {
    expect(tokensFrom('s1', { ...nextPair, expires_in: seconds }, 0).renewAtMs).toBe(afterMs);
  });
});
