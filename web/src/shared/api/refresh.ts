/** Renews the tokens: one exchange at a time in this tab, and one at a time among copies of it. */
import { ProblemError } from '@/shared/api/problem';
import { callPublic, readJson } from '@/shared/api/transport';
import { tokenPairSchema } from '@/shared/api/types';
import { type Tokens, tokensFrom, tokenStore } from '@/shared/auth/token-store';

export const SESSION_ENDED = 'Your session has ended. Sign in again.';

let inFlight: Promise<Tokens> | null = null;

/** The pair that follows `stale`. Ends the session here when the server says that it has ended. */
export function renewTokens(stale: Tokens): Promise<Tokens> {
  inFlight ??= exclusively(stale.sessionId, () => exchange(stale)).finally(() => {
    inFlight = null;
  });
  return inFlight;
}

async function exchange(stale: Tokens): Promise<Tokens> {
  const current = tokenStore.state().tokens;
  if (current === null) throw sessionEnded();
  if (current.accessToken !== stale.accessToken) return current;
  try {
    const response = await callPublic('/v1/tokens/refresh', {
      method: 'POST',
      body: { refresh_token: current.refreshToken },
    });
    const pair = await readJson(response, tokenPairSchema);
    const renewed = tokensFrom(current.sessionId, pair, Date.now());
    tokenStore.renew(renewed);
    return renewed;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) tokenStore.signOut(SESSION_ENDED);
    throw error;
  }
}

export function sessionEnded(): ProblemError {
  return new ProblemError({ status: 401, slug: 'invalid-token', detail: SESSION_ENDED });
}

let lastTurn: Promise<unknown> = Promise.resolve();

/**
 * Runs `work`, which replaces the tokens of a session, while nothing else does. Web Locks exist in secure contexts
 * only; without them a tab still queues what it does itself.
 */
export function exclusively<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
  if (!('locks' in navigator)) {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }
  return navigator.locks.request(`gatelog.refresh.${sessionId}`, work) as Promise<T>;
}
