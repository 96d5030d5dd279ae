import { describe, expect, it } from 'vitest';

import { metadataRows, metadataSchema } from '@/features/media/metadata';

const rows = (result: unknown) => metadataRows(metadataSchema.parse(result));

describe('metadataRows', () => {
  it('reads a film', () => {
    const film = {
      format: 'mov',
      duration_seconds: 5.28,
      bit_rate: 1_599_600,
      video: [{ codec: 'h264', width: 1280, height: 720, frame_rate: 25 }],
      audio: [{ codec: 'aac', sample_rate: 48_000, channels: 2 }],
    };
    expect(rows(film)).toEqual([
      ['Video', 'H.264 1280x720, 25 fps'],
      ['Sound', 'AAC 48 kHz, stereo'],
      ['Duration', '5.28 s'],
      ['Bit rate', '1600 kbit/s'],
      ['Format', 'mov'],
    ]);
  });

  it('leaves out what is unknown and shows codecs that it does not know', () => {
    const odd = { video: [{ codec: 'prores', width: null, frame_rate: 29.97003 }], duration_seconds: 3_725 };
    expect(rows(odd)).toEqual([
      ['Video', 'prores, 29.97 fps'],
      ['Duration', '62:05 min'],
    ]);
  });

  it('is not upset by nonsense', () => {
    expect(rows({ video: 'x', audio: [{ codec: 7 }], duration_seconds: 'long' })).toEqual([]);
  });
});
