import { useSyncExternalStore } from 'react';

const TICK_MS = 30_000;

let nowMs = Date.now();

function subscribe(changed: () => void): () => void {
  nowMs = Date.now();
  const timer = setInterval(() => {
    nowMs = Date.now();
    changed();
  }, TICK_MS);
  return () => {
    clearInterval(timer);
  };
}

/** The time in milliseconds, renewed every half minute, so that relative times on screen stay true. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}
