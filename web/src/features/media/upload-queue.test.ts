import { waitFor } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { type Send, UploadQueue } from '@/features/media/upload-queue';
import { type Media } from '@/shared/api/types';

const file = (name: string) => new File(['x'], name);

/** A network whose answers the test gives by hand. */
function network() {
  const sent: { name: string; signal: AbortSignal; progress: (share: number) => void; finish: () => void }[] =
    [];
  const send: Send = (toSend, { onProgress, signal }) =>
    new Promise((resolve, reject) => {
      const fail = () => {
        reject(new Error('stopped'));
      };
      signal.addEventListener('abort', fail);
      const finish = () => {
        resolve({ name: toSend.name } as Media);
      };
      sent.push({ name: toSend.name, signal, progress: onProgress, finish });
    });
  return { sent, send };
}

describe('UploadQueue', () => {
  it('sends one file after the other and tells when each is stored', async () => {
    const { sent, send } = network();
    const queue = new UploadQueue(send);
    const [first, second] = [vi.fn(), vi.fn()];
    queue.add([file('a')], first);
    queue.add([file('b')], second);
    expect(queue.uploads().map(({ state }) => state)).toEqual(['sending', 'waiting']);
    sent[0]?.finish();
    await waitFor(() => {
      expect(sent.map(({ name }) => name)).toEqual(['a', 'b']);
    });
    sent[1]?.finish();
    await waitFor(() => {
      expect(queue.uploads()).toEqual([]);
    });
    expect(first).toHaveBeenCalledExactlyOnceWith({ name: 'a' });
    expect(second).toHaveBeenCalledExactlyOnceWith({ name: 'b' });
    expect(queue.isBusy).toBe(false);
  });

  it('shows how far it is', () => {
    const { sent, send } = network();
    const queue = new UploadQueue(send);
    const listener = vi.fn();
    queue.subscribe(listener);
    queue.add([file('a')], vi.fn());
    sent[0]?.progress(0.5);
    expect(queue.uploads()[0]?.share).toBe(0.5);
    expect(listener).toHaveBeenCalled();
  });

  it('breaks one off and goes on with the next', async () => {
    const { sent, send } = network();
    const queue = new UploadQueue(send);
    queue.add([file('a'), file('b')], vi.fn());
    queue.remove(queue.uploads()[0]?.id ?? 0);
    expect(sent[0]?.signal.aborted).toBe(true);
    await waitFor(() => {
      expect(queue.uploads()).toMatchObject([{ name: 'b', state: 'sending' }]);
    });
  });

  it('keeps a failed one in sight until it is dismissed', async () => {
    const queue = new UploadQueue(() => Promise.reject(new Error('refused')));
    queue.add([file('a')], vi.fn());
    await waitFor(() => {
      expect(queue.uploads()).toMatchObject([{ state: 'failed', error: new Error('refused') }]);
    });
    expect(queue.isBusy).toBe(false);
    queue.remove(queue.uploads()[0]?.id ?? 0);
    expect(queue.uploads()).toEqual([]);
  });

  it('sends a failed one again when it is told to', async () => {
    const outcomes = [Promise.reject(new Error('refused')), Promise.resolve({ name: 'a' } as Media)];
    const queue = new UploadQueue(() => outcomes.shift() ?? Promise.reject(new Error('no more')));
    const stored = vi.fn();
    queue.add([file('a')], stored);
    await waitFor(() => {
      expect(queue.uploads()).toMatchObject([{ state: 'failed' }]);
    });
    queue.retry(queue.uploads()[0]?.id ?? 0);
    await waitFor(() => {
      expect(stored).toHaveBeenCalledExactlyOnceWith({ name: 'a' });
    });
    expect(queue.uploads()).toEqual([]);
  });

  it('stops everything on signing out', () => {
    const { sent, send } = network();
    const queue = new UploadQueue(send);
    queue.add([file('a'), file('b')], vi.fn());
    queue.clear();
    expect(sent.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(queue.uploads()).toEqual([]);
  });
});
