/** Times for people. The server speaks RFC 3339 in UTC; people read their own zone. */

const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const timeOfDay = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** "3 minutes ago". Less than a minute either way is "just now": clocks of two machines differ. */
export function relativeTime(iso: string, nowMs: number): string {
  const seconds = (Date.parse(iso) - nowMs) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return 'just now';
}

/** "24 Nov 2026, 09:08:11" in the reader's zone. */
export function exactTime(iso: string): string {
  return exact.format(new Date(iso));
}

/** "09:08:11" in the reader's zone. */
export function clockTime(ms: number): string {
  return timeOfDay.format(new Date(ms));
}

/** Whole seconds as "45 seconds", "3 minutes" or "5 hours". Rounds up: whoever waits that long has waited enough. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 120) return whole === 1 ? '1 second' : `${whole} seconds`;
  if (whole < 7200) return `${Math.ceil(whole / 60)} minutes`;
  return `${Math.ceil(whole / 3600)} hours`;
}
