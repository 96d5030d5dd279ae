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
  poster: { title: 'Poster', action: 'Make poster', about: 'One picture of it, up to 1280 pixels' },
  metadata: { title: 'Details', action: 'Read details', about: 'Format, streams and duration' },
  'web-video': {
    title: 'Web video',
    action: 'Make web video',
    about: 'MP4 that plays everywhere, up to 1080p',
  },
  preview: { title: 'Preview', action: 'Make preview', about: 'Four silent seconds, small' },
  audio: { title: 'Sound', action: 'Extract sound', about: 'The sound alone, as AAC' },
  image: {
    title: 'Picture',
    action: 'Make picture',
    about: 'WebP, and AVIF if it can be, of at most 2048 pixels a side',
  },
  waveform: { title: 'Waveform', action: 'Draw waveform', about: 'The loudness over time' },
  hls: {
    title: 'Streaming (HLS)',
    action: 'Make stream',
    about: 'Several sizes; the player takes the one that the connection allows',
  },
};

const OF_VIDEO: readonly Preset[] = [
  'metadata',
  'poster',
  'web-video',
  'hls',
  'preview',
  'audio',
  'waveform',
];
const OF_AUDIO: readonly Preset[] = ['metadata', 'audio', 'waveform'];
const OF_PICTURE: readonly Preset[] = ['metadata', 'poster', 'image'];

/** The presets that make sense of a medium. Whether there is any sound in a film, only the job finds out. */
export function presetsOf({ content_type }: Media): readonly Preset[] {
  if (content_type.startsWith('image/')) return OF_PICTURE;
  return content_type.startsWith('audio/') ? OF_AUDIO : OF_VIDEO;
}

/** What is made of a medium as soon as it is stored: what its own page and the list show of it. */
export function firstPresetsOf({ content_type }: Media): readonly Preset[] {
  return content_type.startsWith('audio/') ? ['metadata'] : ['metadata', 'poster'];
}

/** Whether it can be said where in the film it is taken. */
export function hasSeek(preset: Preset): boolean {
  return preset === 'poster' || preset === 'preview';
}
