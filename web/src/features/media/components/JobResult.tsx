import { DownloadButton } from '@/features/media/components/DownloadButton';
import { MetadataResult } from '@/features/media/components/MetadataResult';
import { Picture } from '@/features/media/components/Picture';
import { PlayerResult } from '@/features/media/components/PlayerResult';
import { WaveformResult } from '@/features/media/components/WaveformResult';
import { type OutputOf, pictureOf } from '@/features/media/jobs';
import { PRESET_TEXTS } from '@/features/media/presets';
import { type Job, type Preset } from '@/shared/api/types';
import { bytesText } from '@/shared/lib/bytes';

interface Props {
  preset: Preset;
  job: Job;
  mediaName: string;
  /** Stands where a film is going to play. */
  poster: OutputOf | undefined;
}

/** What a job that succeeded has made, and the files to take along. */
export function JobResult({ preset, job, mediaName, poster }: Props) {
  const label = `${PRESET_TEXTS[preset].title} of ${mediaName}`;
  return (
    <>
      <Shown preset={preset} job={job} label={label} poster={poster} />
      <Outputs job={job} mediaName={mediaName} />
    </>
  );
}

interface ShownProps {
  preset: Preset;
  job: Job;
  label: string;
  poster: OutputOf | undefined;
}

function Shown({ preset, job, label, poster }: ShownProps) {
  switch (preset) {
    case 'metadata':
      return <MetadataResult job={job} />;
    case 'poster':
    case 'image':
      return <PictureResult job={job} alt={label} />;
    case 'waveform':
      return <WaveformResult job={job} label={label} />;
    case 'web-video':
    case 'preview':
    case 'audio':
    case 'hls':
      return <PlayerResult job={job} label={label} poster={poster} />;
  }
}

function PictureResult({ job, alt }: { job: Job; alt: string }) {
  const output = pictureOf(job);
  return output === undefined ? <p>The job made no picture.</p> : <Picture output={output} alt={alt} />;
}

/** A stream has many files, which are of use together only: they are behind the player's link. */
function Outputs({ job, mediaName }: { job: Job; mediaName: string }) {
  if (job.preset === 'hls' || job.outputs.length === 0) return null;
  return (
    <ul className="job-outputs" aria-label="Files">
      {job.outputs.map(({ name, bytes }) => (
        <li key={name}>
          <span>
            {name} <span className="output-size">{bytesText(bytes)}</span>
          </span>
          <DownloadButton
            mediaId={job.media_id}
            output={{ job: job.id, name }}
            label={`${name} of ${mediaName}`}
          />
        </li>
      ))}
    </ul>
  );
}
