import { describe, expect, it } from 'vitest';

import { passwordRules } from '@/features/auth/password-rules';
import { DEFAULT_PASSWORD_POLICY } from '@/shared/api/get-config';

function unmet(password: string, identity: string[] = []): string[] {
  return passwordRules(password, identity, DEFAULT_PASSWORD_POLICY)
    .filter(({ met }) => !met)
    .map(({ code }) => code);
}

describe('passwordRules', () => {
  it.each([
    ['Vx7!aaaa', []],
    ['Vx7!aaa', ['too_short']],
    ['vx7!aaaa', ['no_uppercase']],
    ['VX7!AAAA', ['no_lowercase']],
    ['Vxx!aaaa', ['no_digit']],
    ['Vx77aaaa', ['no_symbol']],
    ['abc', ['too_short', 'no_uppercase', 'no_digit', 'no_symbol']],
    [`Vx7!${'a'.repeat(253)}`, ['too_long']],
    ['Жж7!жжжж', []],
  ])('%s fails %j', (password, codes) => {
    expect(unmet(password)).toEqual(codes);
  });

  it('counts characters, not code units', () => {
    expect(unmet('Vx7!😀😀😀')).toEqual(['too_short']);
  });

  it('counts and compares what is normalised', () => {
    expect(unmet('Vx7!e\u0301e\u0301e\u0301')).toEqual(['too_short']);
    expect(unmet('My-zoe\u0308-12345', ['z@example.test', 'Zo\u00eb'.repeat(2)])).toEqual([]);
    expect(unmet('My-chloe\u0308-12345', ['z@example.test', 'Chlo\u00eb'])).toEqual(['contains_identity']);
  });

  it('asks for length alone where the server does', () => {
    const nist = {
      min_length: 15,
      max_length: 256,
      require_uppercase: false,
      require_lowercase: false,
      require_digit: false,
      require_symbol: false,
    };
    const rules = passwordRules('correct horse battery', [], nist);
    expect(rules.map(({ code, met }) => [code, met])).toEqual([
      ['too_short', true],
      ['contains_identity', true],
    ]);
  });

  it('finds the name of the address and the name in any case', () => {
    expect(unmet('My-Lovelace-1', ['lovelace@example.test', ''])).toEqual(['contains_identity']);
    expect(unmet('My-Countess-1', ['a@example.test', 'countess'])).toEqual(['contains_identity']);
    expect(unmet('My-Ada-12345', ['ada@example.test'])).toEqual([]);
  });

  it('follows the rules in force', () => {
    const policy = { ...DEFAULT_PASSWORD_POLICY, min_length: 12, require_symbol: false };
    const rules = passwordRules('Vx7!aaaa', [], policy);
    expect(rules[0]).toEqual({ code: 'too_short', text: 'At least 12 characters', met: false });
    expect(rules.map(({ code }) => code)).not.toContain('no_symbol');
  });
});
