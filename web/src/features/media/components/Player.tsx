import { useEffect, useEffectEvent, useRef, useState } from 'react';

import { type Linked, usePlayLink } from '@/features/media/api/create-link';
import { changeSource } from '@/features/media/change-source';
import { attachStream, playsStreams } from '@/features/media/stream-player';
import { Alert, ErrorAlert } from '@/shared/components/Alert';

/** A link that broke this soon after it was made is not what is wrong. */
const YOUNG_MS = 60_000;

interface Props {
  linked: Linked;
  kind: 'sound' | 'film' | 'stream';
  label: string;
}

/** Plays by a link, because a player sends no header. The link is renewed before it runs out, and playing goes on. */
export function Player({ linked, kind, label }: Props) {
  const link = usePlayLink(linked);
  const [isBroken, setBroken] = useState(false);
  const [attempt, setAttempt] = useState(1);
  const onFailure = () => {
    const age = Date.now() - (link.data?.askedAtMs ?? 0);
    if (age < YOUNG_MS) {
      setBroken(true);
      return;
    }
    // A machine that has slept for hours wakes up with an old link.
    void link.refetch().then(() => {
      setAttempt((last) => last + 1);
    });
  };
  if (isBroken) return <Alert tone="danger">This browser cannot play it.</Alert>;
  if (link.data === undefined) {
    return link.error ? <ErrorAlert error={link.error} /> : <span className="stage-note">Loading…</span>;
  }
  const { url } = link.data;
  return kind === 'stream' && !playsStreams() ? (
    <ScriptedPlayer key={attempt} url={url} label={label} onFailure={onFailure} />
  ) : (
    <PlainPlayer url={url} isSound={kind === 'sound'} label={label} onFailure={onFailure} />
  );
}

interface PlainProps {
  url: string;
  isSound: boolean;
  label: string;
  onFailure: () => void;
}

/** What the browser plays by itself. */
function PlainPlayer({ url, isSound, label, onFailure }: PlainProps) {
  const player = useRef<HTMLMediaElement>(null);
  useEffect(() => {
    if (player.current !== null) changeSource(player.current, url);
  }, [url]);
  const setPlayer = (element: HTMLMediaElement | null) => {
    player.current = element;
  };
  const props = { ref: setPlayer, 'aria-label': label, controls: true, autoPlay: true, onError: onFailure };
  if (isSound) {
    // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
    return <audio className="player" {...props} />;
  }
  // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
  return <video className="player" playsInline {...props} />;
}

interface ScriptedProps {
  url: string;
  label: string;
  onFailure: () => void;
}

/** A stream in a browser that knows none. */
function ScriptedPlayer({ url, label, onFailure }: ScriptedProps) {
  const player = useRef<HTMLVideoElement>(null);
  const newest = useEffectEvent(() => url);
  const fail = useEffectEvent(onFailure);
  useEffect(() => {
    const abort = new AbortController();
    const attached = {
      link: () => newest(),
      onFailure: () => {
        fail();
      },
      signal: abort.signal,
    };
    if (player.current !== null) attachStream(player.current, attached).catch(attached.onFailure);
    return () => {
      abort.abort();
    };
  }, []);
  // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
  return <video className="player" ref={player} aria-label={label} controls autoPlay playsInline />;
}
