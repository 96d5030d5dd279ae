import { MetadataResult } from '@/features/media/components/MetadataResult';
import { PictureResult } from '@/features/media/components/PictureResult';
import { PlayerResult } from '@/features/media/components/PlayerResult';
import { StreamResult } from '@/features/media/components/StreamResult';
import { PRESET_TEXTS } from '@/features/media/presets';
import { type Job, type Preset } from '@/shared/api/types';

interface Props {
  preset: Preset;
  job: Job;
  mediaName: string;
}

/** What a job that succeeded has made. */
export function JobResult({ preset, job, mediaName }: Props) {
  const label = `${PRESET_TEXTS[preset].title} of ${mediaName}`;
  switch (preset) {
    case 'metadata':
      return <MetadataResult job={job} />;
    case 'poster':
    case 'image':
    case 'waveform':
      return <PictureResult job={job} alt={label} />;
    case 'web-video':
    case 'preview':
    case 'audio':
      return <PlayerResult job={job} label={label} />;
    case 'hls':
      return <StreamResult job={job} label={label} />;
  }
}
