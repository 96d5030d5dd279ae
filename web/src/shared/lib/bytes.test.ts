import { expect, it } from 'vitest';

import { bytesText } from '@/shared/lib/bytes';

it.each([
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1_055_736, '1.0 MiB'],
  [2 ** 31, '2.0 GiB'],
])('%d bytes read as %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
