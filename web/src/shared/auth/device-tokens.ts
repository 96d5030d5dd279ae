/**
 * Where this browser keeps the tokens by which the server knows a device that signed in before: `localStorage`, so that
 * they outlive the tab and signing out. Strangers who guess at an account are then not in the way of its next sign-in
 * here. Such a token opens nothing; whoever takes it has a few guesses at the password.
 *
 * They are kept under a short hash of the address, so that a shared machine does not show who signed in on it. Two
 * addresses with one hash take each other's place: a token that is not good is as none.
 */
import { z } from '@/shared/lib/zod';

const KEY = 'gatelog.devices';

/** Of so many addresses, the last ones. */
const MOST = 20;

const keptSchema = z.array(z.object({ address: z.string(), token: z.string() }));
type Kept = z.infer<typeof keptSchema>;

export class DeviceTokens {
  readonly #storage: () => Storage;

  constructor(storage: () => Storage) {
    this.#storage = storage;
  }

  /** The token that the last sign-in with this address got here. */
  of(email: string): string | undefined {
    const address = shortHash(email);
    return this.#load().find((kept) => kept.address === address)?.token;
  }

  keep(email: string, token: string): void {
    const address = shortHash(email);
    const others = this.#load().filter((kept) => kept.address !== address);
    const all = [...others, { address, token }].slice(-MOST);
    try {
      this.#storage().setItem(KEY, JSON.stringify(all));
    } catch {
      // A browser that keeps nothing, or has no room: the next sign-in is that of a stranger.
    }
  }

  #load(): Kept {
    try {
      return keptSchema.parse(JSON.parse(this.#storage().getItem(KEY) ?? '[]'));
    } catch {
      return [];
    }
  }
}

/** FNV-1a, 32 bits, of the address in any case. */
function shortHash(email: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(email.trim().toLowerCase())) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

// eslint-disable-next-line no-restricted-globals -- the one home of what outlives the tab
export const deviceTokens = new DeviceTokens(() => localStorage);
