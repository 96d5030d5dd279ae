/** What can be made of a medium, in the order in which it is shown. */
import { type Media, type Preset } from '@/shared/api/types';

interface PresetText {
  /** Of the panel, and of what stands in it. */
  title: string;
  /** On the button. */
  action: string;
  /** What it makes, in a few words. */
  about: string;
}

export const PRESET_TEXTS: Readonly<Record<Preset, PresetText>> = {
  poster: { title: 'Poster', action: 'Make poster', about: 'one picture' },
  metadata: { title: 'Metadata', action: 'Read metadata', about: 'format, streams, duration' },
  'web-video': {
    title: 'Web video',
    action: 'Make web video',
    about: 'MP4 that plays everywhere, up to 1080p',
  },
  preview: { title: 'Preview', action: 'Make preview', about: 'four silent seconds' },
  audio: { title: 'Sound', action: 'Extract sound', about: 'the sound alone, AAC' },
  image: { title: 'Picture', action: 'Make picture', about: 'WebP of at most 2048 pixels a side' },
  waveform: { title: 'Waveform', action: 'Draw waveform', about: 'the loudness over time' },
  hls: { title: 'Streaming (HLS)', action: 'Make stream', about: 'several sizes with a playlist' },
};

const OF_VIDEO: readonly Preset[] = [
  'poster',
  'metadata',
  'web-video',
  'preview',
  'audio',
  'waveform',
  'hls',
];
const OF_AUDIO: readonly Preset[] = ['metadata', 'audio', 'waveform'];
const OF_PICTURE: readonly Preset[] = ['poster', 'metadata', 'image'];

/** The presets that make sense of a medium. Whether there is any sound in a film, only the job finds out. */
export function presetsOf({ content_type }: Media): readonly Preset[] {
  if (content_type.startsWith('image/')) return OF_PICTURE;
  return content_type.startsWith('audio/') ? OF_AUDIO : OF_VIDEO;
}

/** Those that always have a panel; the others get one with their first job. */
export function isPlain(preset: Preset): boolean {
  return preset === 'poster' || preset === 'metadata';
}
