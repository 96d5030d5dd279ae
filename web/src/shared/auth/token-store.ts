/**
 * Where this tab keeps the tokens of its session: `sessionStorage`, and nowhere else.
 *
 * Why not a cookie: the server neither sets nor reads one, so no other site can make this browser act for its
 * user. Why not `localStorage`: it outlives the tab and is shared by all of them; a forgotten machine would stay
 * signed in. Why not memory alone: a reload would sign out. Script that runs in the page could read either; what
 * keeps such script away is the Content-Security-Policy, which admits none but our own files.
 *
 * A duplicated tab starts with a copy of this storage. Refresh tokens are good once, so the copies tell each
 * other of every renewal (BroadcastChannel, same origin only, never stored).
 */
import { type TokenPair } from '@/shared/api/types';
import { z } from '@/shared/lib/zod';

const KEY = 'gatelog.tokens';
const CHANNEL = 'gatelog.tokens';

/** So long before its end a token is renewed, so that none runs out on its way. */
const MARGIN_MS = 30_000;

const tokensSchema = z.object({
  sessionId: z.string(),
  accessToken: z.string(),
  /** When to renew, well before the end: milliseconds since 1970, by this machine's clock. */
  renewAtMs: z.number(),
  refreshToken: z.string(),
});
export type Tokens = z.infer<typeof tokensSchema>;

export interface AuthState {
  readonly tokens: Tokens | null;
  /** Why nobody is signed in, where the reader should know. */
  readonly notice: string | null;
}

export function tokensFrom(sessionId: string, pair: TokenPair, nowMs: number): Tokens {
  return {
    sessionId,
    accessToken: pair.access_token,
    renewAtMs: nowMs + pair.expires_in * 1000 - Math.min(MARGIN_MS, pair.expires_in * 500),
    refreshToken: pair.refresh_token,
  };
}

export class TokenStore {
  readonly #storage: Storage;
  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #listeners = new Set<() => void>();
  #state: AuthState;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#state = { tokens: load(storage), notice: null };
    this.#channel.onmessage = (message: MessageEvent<unknown>) => {
      this.#adopt(message.data);
    };
  }

  readonly state = (): AuthState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  signIn(tokens: Tokens): void {
    this.#set({ tokens, notice: null });
  }

  /** The next pair of the same session. Ignored when the session was left meanwhile. */
  renew(tokens: Tokens): void {
    if (this.#state.tokens?.sessionId !== tokens.sessionId) return;
    this.#set({ tokens, notice: null });
    this.#channel.postMessage(tokens);
  }

  signOut(notice: string | null): void {
    this.#set({ tokens: null, notice });
  }

  #adopt(data: unknown): void {
    const parsed = tokensSchema.safeParse(data);
    if (!parsed.success || parsed.data.sessionId !== this.#state.tokens?.sessionId) return;
    this.#set({ tokens: parsed.data, notice: null });
  }

  #set(state: AuthState): void {
    this.#state = state;
    if (state.tokens === null) this.#storage.removeItem(KEY);
    else this.#storage.setItem(KEY, JSON.stringify(state.tokens));
    for (const listener of this.#listeners) listener();
  }
}

function load(storage: Storage): Tokens | null {
  try {
    return tokensSchema.parse(JSON.parse(storage.getItem(KEY) ?? 'null'));
  } catch {
    return null;
  }
}

// eslint-disable-next-line no-restricted-globals -- the one home of stored tokens
export const tokenStore = new TokenStore(sessionStorage);
