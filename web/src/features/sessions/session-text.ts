import { type Session } from '@/shared/api/types';

/** What to call the device: its given name, else what its browser says of itself. */
export function deviceTitle({ device }: Session): string {
  return device?.name ?? browserText(device) ?? 'Unknown device';
}

/** Browser and system, where the title does not say them already. */
export function deviceDetail({ device }: Session): string | null {
  return device?.name ? browserText(device) : (device?.kind ?? null);
}

function browserText(device: Session['device']): string | null {
  const { browser, os } = device ?? {};
  if (browser && os) return `${browser} on ${os}`;
  return browser ?? os ?? null;
}
