/** Gives a player its first source, or the same film by another URL: it goes on where it was, as it was. */
export function changeSource(player: HTMLMediaElement, url: string): void {
  if (player.getAttribute('src') === url) return;
  const isFirst = !player.hasAttribute('src');
  const { currentTime, paused, playbackRate } = player;
  player.setAttribute('src', url);
  if (isFirst) return;
  player.autoplay = false;
  player.addEventListener(
    'loadedmetadata',
    () => {
      player.currentTime = currentTime;
      player.playbackRate = playbackRate;
      if (!paused) void player.play().catch(() => undefined);
    },
    { once: true },
  );
}
