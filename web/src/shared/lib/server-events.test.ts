import { describe, expect, it } from 'vitest';

import { type ServerEvent, serverEvents } from '@/shared/lib/server-events';

function streamOf(chunks: readonly string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      controller.close();
    },
  });
}

async function read(chunks: readonly string[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(streamOf(chunks))) events.push(event);
  return events;
}

describe('serverEvents', () => {
  const text = ': hello\n\nevent: state\ndata: {"a":1}\n\n:\n\ndata: one\ndata:two\nid: 7\n\ndata: cut off';

  it('reads names and data, passes over comments, and drops what has no end', async () => {
    expect(await read([text])).toEqual([
      { name: 'state', data: '{"a":1}' },
      { name: 'message', data: 'one\ntwo' },
    ]);
  });

  it('reads the same wherever the network cuts it', async () => {
    const whole = await read([text]);
    for (let cut = 1; cut < text.length; cut += 1) {
      expect(await read([text.slice(0, cut), text.slice(cut)])).toEqual(whole);
    }
    expect(await read(text.split(/(?=.)/s))).toEqual(whole);
  });

  it('does not gather an event that never ends', async () => {
    const endless = Array.from({ length: 20 }, () => `data: ${'x'.repeat(64 * 1024)}\n`);
    await expect(read(endless)).rejects.toThrow('without an end');
  });
});
