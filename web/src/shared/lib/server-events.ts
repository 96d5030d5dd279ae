/** Server-sent events out of a `fetch`: unlike `EventSource` it can send the token in a header. */

export interface ServerEvent {
  /** `message` where the server gives none. */
  readonly name: string;
  readonly data: string;
}

/** No event of the server is nearly as long. More than this without an end is not an event stream. */
const MAX_CHARS = 1024 * 1024;

/** The events of a body as they come, by the HTML standard, section 9.2.6. `id` and `retry` are passed over. */
export async function* serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? '';
      if (rest.length > MAX_CHARS) throw new Error('an event without an end');
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** `null` for a block of comments alone: they only keep the connection alive. */
function eventOf(block: string): ServerEvent | null {
  let name = 'message';
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') name = value;
    if (field === 'data') data.push(value);
  }
  return data.length === 0 ? null : { name, data: data.join('\n') };
}
