/**
 * The files that are on their way up, one after the other. Lives outside the page that shows it, so that uploads
 * go on while the reader looks at something else. Knows neither React nor the network.
 */
import { type Media } from '@/shared/api/types';

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  readonly state: 'waiting' | 'sending' | 'failed';
  /** From 0 to 1. */
  readonly share: number;
  readonly error: unknown;
}

/** How a file gets to the server: the one seam between the queue and the network. */
export type Send = (
  file: File,
  options: { onProgress: (share: number) => void; signal: AbortSignal },
) => Promise<Media>;

interface Entry {
  upload: Upload;
  readonly file: File;
  readonly abort: AbortController;
  readonly onStored: (media: Media) => void;
}

export class UploadQueue {
  readonly #send: Send;
  readonly #listeners = new Set<() => void>();
  #entries: Entry[] = [];
  #snapshot: readonly Upload[] = [];
  #nextId = 1;
  #running = false;

  constructor(send: Send) {
    this.#send = send;
  }

  readonly uploads = (): readonly Upload[] => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whether leaving the page would break something off. */
  get isBusy(): boolean {
    return this.#entries.some(({ upload }) => upload.state !== 'failed');
  }

  add(files: readonly File[], onStored: (media: Media) => void): void {
    for (const file of files) {
      const upload: Upload = {
        id: this.#nextId++,
        name: file.name,
        bytes: file.size,
        state: 'waiting',
        share: 0,
        error: null,
      };
      this.#entries.push({ upload, file, abort: new AbortController(), onStored });
    }
    this.#publish();
    void this.#drain();
  }

  /** Breaks an upload off, or takes a failed one off the list. */
  remove(id: number): void {
    this.#entries.find(({ upload }) => upload.id === id)?.abort.abort();
    this.#entries = this.#entries.filter(({ upload }) => upload.id !== id);
    this.#publish();
  }

  /** Sends a failed one again, after those that wait already. */
  retry(id: number): void {
    const entry = this.#entries.find(({ upload }) => upload.id === id && upload.state === 'failed');
    if (entry === undefined) return;
    this.#entries = [...this.#entries.filter((other) => other !== entry), entry];
    this.#change(entry, { state: 'waiting', share: 0, error: null });
    void this.#drain();
  }

  /** For signing out: nothing of this account goes on. */
  clear(): void {
    for (const { abort } of this.#entries) abort.abort();
    this.#entries = [];
    this.#publish();
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let entry = this.#waiting(); entry !== undefined; entry = this.#waiting()) {
      await this.#run(entry);
    }
    this.#running = false;
  }

  #waiting(): Entry | undefined {
    return this.#entries.find(({ upload }) => upload.state === 'waiting');
  }

  async #run(entry: Entry): Promise<void> {
    this.#change(entry, { state: 'sending' });
    const onProgress = (share: number) => {
      this.#change(entry, { share });
    };
    try {
      const media = await this.#send(entry.file, { onProgress, signal: entry.abort.signal });
      this.#entries = this.#entries.filter((other) => other !== entry);
      this.#publish();
      entry.onStored(media);
    } catch (error) {
      this.#change(entry, { state: 'failed', error });
    }
  }

  #change(entry: Entry, change: Partial<Upload>): void {
    entry.upload = { ...entry.upload, ...change };
    this.#publish();
  }

  #publish(): void {
    this.#snapshot = this.#entries.map(({ upload }) => upload);
    for (const listener of this.#listeners) listener();
  }
}
