import assert from 'node:assert/strict';

/** Long enough to show that it plays, and not only that it starts. */
const PLAYED_SECONDS = 2;

/**
 * Waits until a player has really played: its clock has run for two seconds, or the film has ended, without an error
 * and, where `size` is given, with pictures of that size. It waits for the player's own events.
 */
export async function assertPlays(player, size) {
  const seen = await player.evaluate(watch, PLAYED_SECONDS);
  assert.equal(seen.error, null, `${seen.error} after ${seen.played} s`);
  assert.ok(seen.played >= PLAYED_SECONDS || seen.ended, JSON.stringify(seen));
  if (size === null) assert.ok(seen.size[0] >= 640 && seen.size[1] >= 360, `it has pictures: ${seen.size}`);
  else assert.deepEqual(seen.size, size);
}

/** Runs in the page. */
function watch(player, seconds) {
  return new Promise((resolve) => {
    const started = player.currentTime;
    const report = () => {
      const { currentTime, ended, error, videoWidth = 0, videoHeight = 0 } = player;
      const played = currentTime - started;
      if (error === null && !ended && played < seconds) return;
      player.pause();
      const message = error && `error ${error.code}: ${error.message}`;
      resolve({ played, ended, error: message, size: [videoWidth, videoHeight], src: player.currentSrc });
    };
    for (const name of ['timeupdate', 'ended', 'error']) player.addEventListener(name, report);
    report();
  });
}
