/** The server takes milliseconds as 32 bits. */
const MAX_MS = 2 ** 32 - 1;

/** "2.5" or "2,5" seconds as milliseconds; `null` for everything else. */
export function secondsToMs(text: string): number | null {
  if (!/^\d{1,7}([.,]\d{1,3})?$/.test(text.trim())) return null;
  const ms = Math.round(Number(text.trim().replace(',', '.')) * 1000);
  return ms <= MAX_MS ? ms : null;
}
