/** The peaks of a `waveform` job, and how they are drawn. */
import { z } from '@/shared/lib/zod';

export const waveformSchema = z.object({
  /** After mixing down and thinning out; only the duration follows from it. */
  sample_rate: z.number().positive(),
  samples: z.number().nonnegative(),
  /** Lowest and highest value of each part, from -32768 to 32767. */
  peaks: z.array(z.tuple([z.number(), z.number()])).max(10_000),
});
export type Waveform = z.infer<typeof waveformSchema>;

export interface Column {
  /** From -1 to 1, which is the loudest moment: the drawing of a quiet sound shows its shape, too. */
  readonly low: number;
  readonly high: number;
}

/** So many columns, each with the extremes of the part that it stands for; fewer where there are fewer peaks. */
export function columnsOf({ peaks }: Waveform, count: number): Column[] {
  const columns = Math.min(count, peaks.length);
  const loudest = peaks.reduce((most, [low, high]) => Math.max(most, -low, high), 1);
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * peaks.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * peaks.length) / columns));
    const part = peaks.slice(from, to);
    return {
      low: Math.min(...part.map(([low]) => low)) / loudest,
      high: Math.max(...part.map(([, high]) => high)) / loudest,
    };
  });
}

/** For those who do not see it: how long, and where it is loudest. */
export function waveformText(waveform: Waveform): string {
  const { peaks } = waveform;
  const loudness = peaks.map(([low, high]) => high - low);
  const loudest = loudness.indexOf(Math.max(0, ...loudness));
  const seconds = waveform.samples / waveform.sample_rate;
  if (loudest < 0 || loudness[loudest] === 0) return `${seconds.toFixed(1)} seconds of silence`;
  const at = (seconds * (loudest + 0.5)) / peaks.length;
  return `${seconds.toFixed(1)} seconds, loudest at ${at.toFixed(1)} seconds`;
}
