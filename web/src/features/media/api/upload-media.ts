/** Sends a file by tus 1.0: piece by piece, so that a connection that breaks costs a piece at most. */
import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client';

import { getMedia } from '@/features/media/api/get-media';
import { freshTokens } from '@/shared/api/authorized';
import { NetworkError, type ProblemError, problemFrom } from '@/shared/api/problem';
import { renewTokens } from '@/shared/api/refresh';
import { notePosition, urlOf } from '@/shared/api/transport';
import { type Media } from '@/shared/api/types';
import { type Tokens } from '@/shared/auth/token-store';

export interface UploadOptions {
  /** Called with the share that is sent, from 0 to 1. */
  onProgress: (share: number) => void;
  signal: AbortSignal;
}

/** So much is sent at once: what a broken connection costs, and how long a token must last. */
const PIECE_BYTES = 16 * 1024 * 1024;
/** What is waited before each further try, in milliseconds. A piece that arrives begins the count anew. */
const DELAYS_MS = [0, 1_000, 3_000, 5_000, 10_000, 30_000];

/** Sends the file. The type is left to the server, which judges the first bytes. */
export async function uploadMedia(file: File, options: UploadOptions, stack?: HttpStack): Promise<Media> {
  options.signal.throwIfAborted();
  const { DetailedError } = await import('tus-js-client');
  try {
    const id = await sendPieces(file, options, stack);
    if (id === null) throw new NetworkError('the server has not finished the upload yet');
    return await getMedia(id, options.signal);
  } catch (error) {
    if (!(error instanceof DetailedError)) throw error;
    const answer = error.originalResponse;
    throw answer ? await problemOf(answer) : new NetworkError('upload broken off', { cause: error });
  }
}

/** Resolves with the identifier of the file, as the last answer has it. */
async function sendPieces(file: File, options: UploadOptions, stack?: HttpStack): Promise<string | null> {
  const { onProgress, signal } = options;
  const { Upload } = await import('tus-js-client');
  const access = new Access();
  let id: string | null = null;
  return new Promise((resolve, reject) => {
    const upload = new Upload(file, {
      endpoint: urlOf('/v1/uploads'),
      chunkSize: PIECE_BYTES,
      retryDelays: DELAYS_MS,
      metadata: { filename: file.name },
      // Nothing of a file is left in the browser.
      storeFingerprintForResuming: false,
      ...(stack === undefined ? {} : { httpStack: stack }),
      onBeforeRequest: (request) => access.authorize(request),
      onAfterResponse: (_request, answer) => {
        notePosition(responseOf(answer));
        id = answer.getHeader('Gatelog-Media-Id') ?? id;
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        return status === 401
          ? access.refused()
          : status < 400 || status === 409 || status === 423 || status >= 500;
      },
      onProgress: (sent, total) => {
        onProgress(total === 0 ? 0 : sent / total);
      },
      onError: reject,
      onSuccess: () => {
        signal.removeEventListener('abort', abort);
        resolve(id);
      },
    });
    const abort = () => {
      // What has arrived is removed; where that fails, the server gives it up by itself.
      upload.abort(true).catch(() => undefined);
      reject(new DOMException('upload cancelled', 'AbortError'));
    };
    signal.addEventListener('abort', abort);
    upload.start();
  });
}

/** The tokens of the requests of one upload. An answer 401 is met once with new ones: this machine's clock may be wrong. */
class Access {
  #used: Tokens | null = null;
  #isRefused = false;
  #hasRenewed = false;

  async authorize(request: HttpRequest): Promise<void> {
    if (this.#isRefused && this.#used !== null) {
      this.#used = await renewTokens(this.#used);
    } else {
      this.#used = await freshTokens();
    }
    this.#isRefused = false;
    request.setHeader('Authorization', `Bearer ${this.#used.accessToken}`);
  }

  /** Whether another try makes sense. */
  refused(): boolean {
    const isFirst = !this.#hasRenewed;
    this.#isRefused = isFirst;
    this.#hasRenewed = true;
    return isFirst;
  }
}

function problemOf(answer: HttpResponse): Promise<ProblemError> {
  return problemFrom(responseOf(answer));
}

/** As `fetch` would have answered, so that problems and positions are read in one place. */
function responseOf(answer: HttpResponse): Response {
  const headers = new Headers();
  for (const name of ['Content-Type', 'Gatelog-Position', 'Retry-After', 'X-Request-Id']) {
    const value = answer.getHeader(name);
    if (value) headers.set(name, value);
  }
  const status = answer.getStatus();
  const body = [204, 205, 304].includes(status) ? null : answer.getBody();
  return new Response(body, { status, headers });
}
