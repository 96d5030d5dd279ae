import { describe, expect, it } from 'vitest';

import { columnsOf, waveformSchema, waveformText } from '@/features/media/waveform';

const wave = (peaks: [number, number][]) => ({ sample_rate: 4_000, samples: 8_000, peaks });

describe('waveform', () => {
  it('keeps the extremes of every part', () => {
    const peaks: [number, number][] = [
      [-1, 0],
      [-50, 25],
      [0, 99],
      [-100, 1],
    ];
    expect(columnsOf(wave(peaks), 2)).toEqual([
      { low: -0.5, high: 0.25 },
      { low: -1, high: 0.99 },
    ]);
    expect(columnsOf(wave([[0, 0]]), 1)).toEqual([{ low: 0, high: 0 }]);
  });

  it('draws no more than there is', () => {
    expect(columnsOf(wave([[0, 0]]), 500)).toHaveLength(1);
    expect(columnsOf(wave([]), 500)).toEqual([]);
  });

  it('says where it is loudest', () => {
    expect(
      waveformText(
        wave([
          [0, 1],
          [-9, 9],
          [0, 0],
          [0, 0],
        ]),
      ),
    ).toBe('2.0 seconds, loudest at 0.8 seconds');
    expect(waveformText(wave([[0, 0]]))).toBe('2.0 seconds of silence');
    expect(waveformText(wave([]))).toBe('2.0 seconds of silence');
  });

  it('refuses what is no waveform', () => {
    for (const odd of [{}, { sample_rate: 0, samples: 1, peaks: [] }, { ...wave([]), peaks: [[1]] }]) {
      expect(waveformSchema.safeParse(odd).success).toBe(false);
    }
  });
});
