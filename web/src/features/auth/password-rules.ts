/**
 * The password rules as far as a browser can judge them, with the server's codes. The server decides: only it
 * knows the list of common passwords and how easily one is guessed (`too_common`). As the server does, the rules look
 * at the normalised text.
 */
import { type PasswordPolicy } from '@/shared/api/get-config';

export interface Rule {
  code: string;
  text: string;
  met: boolean;
}

/** Parts of an identity shorter than this would forbid too much. */
const MIN_IDENTITY_LENGTH = 4;

/** Printable, and no letter, digit or space. */
const SYMBOL = /[^\p{Alphabetic}\p{N}\p{White_Space}\p{Cc}]/u;

/** Every rule in force, met or not, in the order in which they are shown. `identity`: the address and the name. */
export function passwordRules(typed: string, identity: readonly string[], policy: PasswordPolicy): Rule[] {
  const password = typed.normalize('NFKC');
  const length = Array.from(password).length;
  const { min_length: min, max_length: max } = policy;
  const has = (pattern: RegExp) => pattern.test(password);
  const isFree = password !== '' && !containsIdentity(password, identity);
  const rules: [inForce: boolean, code: string, text: string, met: boolean][] = [
    [true, 'too_short', `At least ${min} characters`, length >= min],
    [length > max, 'too_long', `At most ${max} characters`, false],
    [policy.require_uppercase, 'no_uppercase', 'An upper-case letter', has(/\p{Uppercase}/u)],
    [policy.require_lowercase, 'no_lowercase', 'A lower-case letter', has(/\p{Lowercase}/u)],
    [policy.require_digit, 'no_digit', 'A digit', has(/\p{N}/u)],
    [policy.require_symbol, 'no_symbol', 'A symbol', has(SYMBOL)],
    [true, 'contains_identity', 'Without address or name', isFree],
  ];
  return rules.filter(([inForce]) => inForce).map(([, code, text, met]) => ({ code, text, met }));
}

function containsIdentity(password: string, identity: readonly string[]): boolean {
  const folded = password.toLowerCase();
  return identity
    .flatMap((text) => [text, text.split('@')[0] ?? ''])
    .map((text) => text.normalize('NFKC').trim().toLowerCase())
    .some((text) => text.length >= MIN_IDENTITY_LENGTH && folded.includes(text));
}
