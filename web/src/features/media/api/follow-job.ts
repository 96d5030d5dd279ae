/** A job as it goes on: told by the server, or asked for where the server cannot tell. Knows no React. */
import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type Job, jobSchema } from '@/shared/api/types';
import { serverEvents } from '@/shared/lib/server-events';
import { z } from '@/shared/lib/zod';

/** Under HTTP/1.1 a browser opens six connections to a host, for all of its tabs. Players need some of them. */
const MAX_STREAMS = 2;
/** The first event comes at once; where it does not, a proxy holds everything back. */
const FIRST_EVENT_MS = 5_000;
const PAUSE_MS = 2_000;

const progressSchema = z.object({ progress: z.number() });

let streams = 0;

export interface Follower {
  onNews: (change: (job: Job) => Job) => void;
  /** What went wrong at the last try; `null` once one has gone well. */
  onError: (error: unknown) => void;
}

/**
 * Tells `follower` what becomes of a job until `signal` says stop. The server ends a stream with the job, with its
 * token, and with itself: then it is opened again.
 */
export async function followJob(id: string, follower: Follower, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const wasTold = streams < MAX_STREAMS && (await listen(id, follower, signal));
    if (!wasTold) await ask(id, follower, signal);
    await pause(PAUSE_MS, signal);
  }
}

/** Resolves, once the stream has ended, with whether it told anything. */
async function listen(id: string, { onNews, onError }: Follower, signal: AbortSignal): Promise<boolean> {
  const silence = new AbortController();
  const timer = setTimeout(() => {
    silence.abort();
  }, FIRST_EVENT_MS);
  let wasTold = false;
  streams += 1;
  try {
    for await (const change of changes(id, AbortSignal.any([signal, silence.signal]))) {
      if (signal.aborted) break;
      clearTimeout(timer);
      wasTold = true;
      onError(null);
      onNews(change);
    }
  } catch {
    // Asking, which comes next, finds out what is wrong.
  } finally {
    streams -= 1;
    clearTimeout(timer);
  }
  return wasTold;
}

async function* changes(id: string, signal: AbortSignal): AsyncGenerator<(job: Job) => Job, void> {
  const response = await call(`/v1/jobs/${encodeURIComponent(id)}/events`, { signal });
  if (response.body === null) return;
  for await (const { name, data } of serverEvents(response.body)) {
    const json: unknown = JSON.parse(data);
    if (name === 'state') {
      const job = jobSchema.parse(json);
      yield () => job;
    }
    if (name === 'progress') {
      const { progress } = progressSchema.parse(json);
      yield (job) => ({ ...job, progress });
    }
  }
}

async function ask(id: string, { onNews, onError }: Follower, signal: AbortSignal): Promise<void> {
  try {
    const response = await call(`/v1/jobs/${encodeURIComponent(id)}`, { signal });
    const job = await readJson(response, jobSchema);
    onError(null);
    onNews(() => job);
  } catch (error) {
    if (!signal.aborted) onError(error);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener('abort', over);
  });
}
