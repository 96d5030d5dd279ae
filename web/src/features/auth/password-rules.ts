/**
 * The password rules as far as a browser can judge them, with the server's codes. The server decides: only it
 * knows the list of common passwords (`too_common`).
 */
import { type PasswordLimits } from '@/shared/api/get-config';

export interface Rule {
  code: string;
  text: string;
  met: boolean;
}

/** Parts of an identity shorter than this would forbid too much. */
const MIN_IDENTITY_LENGTH = 4;

/** Every rule, met or not, in the order in which they are shown. `identity`: the address and the name. */
export function passwordRules(password: string, identity: readonly string[], limits: PasswordLimits): Rule[] {
  const length = Array.from(password).length;
  const long = { code: 'too_long', text: `At most ${limits.max_length} characters`, met: false };
  return [
    { code: 'too_short', text: `At least ${limits.min_length} characters`, met: length >= limits.min_length },
    ...(length > limits.max_length ? [long] : []),
    { code: 'no_uppercase', text: 'An upper-case letter', met: /\p{Lu}/u.test(password) },
    { code: 'no_lowercase', text: 'A lower-case letter', met: /\p{Ll}/u.test(password) },
    { code: 'no_digit', text: 'A digit', met: /\p{Nd}/u.test(password) },
    { code: 'no_symbol', text: 'A symbol, such as ! or -', met: /[^\p{L}\p{N}\s]/u.test(password) },
    {
      code: 'contains_identity',
      text: 'Not your address or name',
      met: password !== '' && !containsIdentity(password, identity),
    },
  ];
}

function containsIdentity(password: string, identity: readonly string[]): boolean {
  const folded = password.toLowerCase();
  return identity
    .flatMap((text) => [text, text.split('@')[0] ?? ''])
    .map((text) => text.trim().toLowerCase())
    .some((text) => text.length >= MIN_IDENTITY_LENGTH && folded.includes(text));
}
