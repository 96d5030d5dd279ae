/** The result of a `metadata` job, and how it reads. Everything in it comes from a stranger's file. */
import { z } from '@/shared/lib/zod';

const count = z.number().nullish().catch(null);
const text = z.string().nullish().catch(null);

const videoSchema = z.object({ codec: text, profile: text, width: count, height: count, frame_rate: count });
const audioSchema = z.object({ codec: text, sample_rate: count, channels: count });

export const metadataSchema = z.object({
  format: text,
  duration_seconds: count,
  bit_rate: count,
  video: z.array(videoSchema).catch([]),
  audio: z.array(audioSchema).catch([]),
});
export type Metadata = z.infer<typeof metadataSchema>;

const CODEC_NAMES: Readonly<Record<string, string>> = {
  aac: 'AAC',
  av1: 'AV1',
  flac: 'FLAC',
  gif: 'GIF',
  h264: 'H.264',
  hevc: 'H.265',
  mjpeg: 'JPEG',
  mp3: 'MP3',
  opus: 'Opus',
  png: 'PNG',
  vorbis: 'Vorbis',
  vp8: 'VP8',
  vp9: 'VP9',
  webp: 'WebP',
};

/** Label and text, a row each, in the order in which they are shown. What is unknown is left out. */
export function metadataRows(metadata: Metadata): [label: string, text: string][] {
  const rows: [string, string | null][] = [
    ...metadata.video.map((video): [string, string] => ['Video', videoText(video)]),
    ...metadata.audio.map((audio): [string, string] => ['Sound', audioText(audio)]),
    ['Duration', durationText(metadata.duration_seconds)],
    ['Bit rate', metadata.bit_rate ? `${Math.round(metadata.bit_rate / 1000)} kbit/s` : null],
    ['Format', metadata.format ?? null],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null && row[1] !== '');
}

function videoText({ codec, width, height, frame_rate }: Metadata['video'][number]): string {
  const size = width && height ? `${width}x${height}` : null;
  const rate = frame_rate ? `${Number(frame_rate.toFixed(2))} fps` : null;
  return join(join(codecName(codec), size, ' '), rate, ', ');
}

function audioText({ codec, sample_rate, channels }: Metadata['audio'][number]): string {
  const rate = sample_rate ? `${sample_rate / 1000} kHz` : null;
  return join(join(codecName(codec), rate, ' '), channelText(channels), ', ');
}

function channelText(channels: number | null | undefined): string | null {
  if (!channels) return null;
  return ['mono', 'stereo'][channels - 1] ?? `${channels} channels`;
}

function durationText(seconds: number | null | undefined): string | null {
  if (!seconds) return null;
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const rest = Math.floor(seconds % 60);
  return `${Math.floor(seconds / 60)}:${String(rest).padStart(2, '0')} min`;
}

function codecName(codec: string | null | undefined): string | null {
  return codec ? (CODEC_NAMES[codec] ?? codec) : null;
}

function join(left: string | null, right: string | null, separator: string): string {
  return [left, right].filter((part) => part !== null && part !== '').join(separator);
}
