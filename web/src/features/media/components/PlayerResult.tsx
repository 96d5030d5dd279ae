import { useCreateLink } from '@/features/media/api/create-link';
import { DownloadButton } from '@/features/media/components/DownloadButton';
import { type Job } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { bytesText } from '@/shared/lib/bytes';

interface Props {
  job: Job;
  /** What plays, for its accessible name. */
  label: string;
}

/** A film or a sound, played by a link: a player sends no header. The link is made when somebody wants to play. */
export function PlayerResult({ job, label }: Props) {
  const link = useCreateLink();
  const [made] = job.outputs;
  if (made === undefined) return <p>The job made nothing to play.</p>;
  const output = { job: job.id, name: made.name };
  const play = () => {
    link.mutate({ mediaId: job.media_id, output });
  };
  return (
    <>
      {link.data === undefined ? (
        <Button busy={link.isPending} aria-label={`Play: ${label}`} onClick={play}>
          Play
        </Button>
      ) : (
        <Player url={link.data} isSound={made.content_type.startsWith('audio/')} label={label} />
      )}
      <ErrorAlert error={link.error} />
      <span className="output-size">{bytesText(made.bytes)}</span>
      <DownloadButton mediaId={job.media_id} output={output} label={label} />
    </>
  );
}

interface PlayerProps {
  url: string;
  isSound: boolean;
  label: string;
}

function Player({ url, isSound, label }: PlayerProps) {
  if (isSound) {
    // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
    return <audio className="player" src={url} aria-label={label} controls autoPlay />;
  }
  // eslint-disable-next-line jsx-a11y/media-has-caption -- nobody has written captions for a stranger's file
  return <video className="player" src={url} aria-label={label} controls autoPlay playsInline />;
}
