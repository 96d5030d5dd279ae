import { authorized } from '@/shared/api/authorized';
import { NetworkError } from '@/shared/api/problem';
import { notePosition, readJson, urlOf } from '@/shared/api/transport';
import { type Media, mediaSchema } from '@/shared/api/types';

export interface UploadOptions {
  /** Called with the share that is sent, from 0 to 1. */
  onProgress: (share: number) => void;
  signal: AbortSignal;
}

/** Sends the raw file. The type is left to the server, which judges the first bytes. */
export async function uploadMedia(file: File, options: UploadOptions): Promise<Media> {
  const url = urlOf('/v1/media', { name: file.name });
  const response = await authorized((accessToken) => post(url, accessToken, file, options));
  notePosition(response);
  return readJson(response, mediaSchema);
}

/** XMLHttpRequest, because `fetch` does not tell how much of a body has been sent. */
function post(url: string, accessToken: string, file: File, options: UploadOptions): Promise<Response> {
  const { onProgress, signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => {
      request.abort();
    };
    request.open('POST', url);
    request.setRequestHeader('Authorization', `Bearer ${accessToken}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded, total }) => {
      onProgress(total === 0 ? 0 : loaded / total);
    };
    request.onload = () => {
      resolve(responseOf(request));
    };
    request.onerror = () => {
      reject(new NetworkError('upload broken off'));
    };
    request.onabort = () => {
      reject(new DOMException('upload cancelled', 'AbortError'));
    };
    request.onloadend = () => {
      signal.removeEventListener('abort', abort);
    };
    signal.addEventListener('abort', abort);
    request.send(file);
  });
}

/** As `fetch` would have answered, so that problems and positions are read in one place. */
function responseOf(request: XMLHttpRequest): Response {
  const headers = new Headers();
  for (const name of ['Content-Type', 'Gatelog-Position', 'Retry-After', 'X-Request-Id']) {
    const value = request.getResponseHeader(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(request.responseText, { status: request.status, headers });
}
