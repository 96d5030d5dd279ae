import { describe, expect, it, vi } from 'vitest';

import { changeSource } from '@/features/media/change-source';

function player({ paused }: { paused: boolean }) {
  const element = document.createElement('video');
  vi.spyOn(element, 'paused', 'get').mockReturnValue(paused);
  const play = vi.spyOn(element, 'play').mockResolvedValue();
  changeSource(element, '/first');
  element.currentTime = 42;
  element.playbackRate = 1.5;
  return { element, play };
}

describe('changeSource', () => {
  it.each([
    [true, 0],
    [false, 1],
  ])('goes on where it was; paused: %s', (paused, plays) => {
    const { element, play } = player({ paused });
    changeSource(element, '/second');
    element.currentTime = 0;
    element.playbackRate = 1;
    element.dispatchEvent(new Event('loadedmetadata'));
    expect(element.getAttribute('src')).toBe('/second');
    expect([element.currentTime, element.playbackRate]).toEqual([42, 1.5]);
    expect(play).toHaveBeenCalledTimes(plays);
  });

  it('leaves a player alone that has its source', () => {
    const { element, play } = player({ paused: false });
    changeSource(element, '/first');
    element.dispatchEvent(new Event('loadedmetadata'));
    expect(play).not.toHaveBeenCalled();
  });
});
