import { describe, expect, it } from 'vitest';

import { firstPresetsOf, PRESET_TEXTS, presetsOf } from '@/features/media/presets';
import { media } from '@/testing/samples';

describe('presetsOf', () => {
  it('offers every preset of the server to some medium, and no picture of mere sound', () => {
    const kinds = ['video/mp4', 'audio/mpeg', 'image/png'];
    const offered = kinds.map((content_type) => presetsOf(media({ content_type })));
    expect(new Set(offered.flat())).toEqual(new Set(Object.keys(PRESET_TEXTS)));
    expect(offered[1]).not.toContain('poster');
  });

  it('begins with nothing that it does not offer', () => {
    for (const content_type of ['video/mp4', 'audio/mpeg', 'image/png']) {
      const medium = media({ content_type });
      expect(presetsOf(medium)).toEqual(expect.arrayContaining([...firstPresetsOf(medium)]));
    }
  });
});
