/** Plays a stream (HLS) where the browser cannot do so by itself, by hls.js. */

export const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

export function playsStreams(): boolean {
  return document.createElement('video').canPlayType(PLAYLIST_TYPE) !== '';
}

/**
 * The same file by the newest link. A link covers all files of its stream, and only its folder changes when it is
 * renewed: so a stream plays on over any number of renewals.
 */
export function renewedUrl(asked: string, link: string): string {
  const name = asked.slice(asked.lastIndexOf('/') + 1);
  return link.slice(0, link.lastIndexOf('/') + 1) + name;
}

interface Attached {
  /** The newest link to the playlist. */
  link: () => string;
  /** Nothing more will play. */
  onFailure: (error: Error) => void;
  signal: AbortSignal;
}

/** Has `video` play the stream until `signal` says stop. The player is loaded only now: it is large. */
export async function attachStream(
  video: HTMLVideoElement,
  { link, onFailure, signal }: Attached,
): Promise<void> {
  const { default: Hls } = await import('hls.js/light');
  if (signal.aborted) return;
  if (!Hls.isSupported()) {
    onFailure(new Error('this browser cannot play streams'));
    return;
  }
  const hls = new Hls({
    // A worker would be made from a `blob:` script, which the page's policy forbids.
    enableWorker: false,
    xhrSetup: (request, url) => {
      request.open('GET', renewedUrl(url, link()), true);
    },
  });
  signal.addEventListener('abort', () => {
    hls.destroy();
  });
  let recoveries = 0;
  hls.on(Hls.Events.ERROR, (_event, { fatal, type, details }) => {
    if (!fatal) return;
    recoveries += 1;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && recoveries === 1) {
      hls.recoverMediaError();
      return;
    }
    hls.destroy();
    onFailure(new Error(`the stream broke off: ${details}`));
  });
  hls.loadSource(link());
  hls.attachMedia(video);
}
