/**
 * Serves the page of docs/guides/media.md, as another origin than the server, and plays it in a real Chromium: by the
 * browser's own player of streams, and by hls.js where there is none.
 *
 * PAGE  the page, with its link   PORT  where to serve it   HLS  hls.js   CHROMIUM  the browser (default /usr/bin/chromium)
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

import { forgetStreams, launchBrowser } from './chromium.mjs';
import { assertPlays } from './playback.mjs';

const { PAGE, PORT, HLS } = process.env;
const script = await readFile(HLS);
const server = createServer(({ url }, response) => {
  const isScript = url === '/hls.light.min.mjs';
  response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
  response.end(isScript ? script : PAGE);
});
await new Promise((resolve) => server.listen(Number(PORT), '127.0.0.1', resolve));

const browser = await launchBrowser();
try {
  for (const knowsStreams of [true, false]) {
    const page = await browser.newPage();
    if (!knowsStreams) await page.addInitScript(forgetStreams);
    await page.goto(`http://127.0.0.1:${PORT}/`);
    const player = page.locator('video');
    await player.evaluate((video) => {
      video.muted = true;
      video.autoplay = true;
      if (video.readyState > 0) return video.play();
    });
    await assertPlays(player, null);
    const isScripted = (await player.evaluate((video) => video.src)).startsWith('blob:');
    assert.equal(isScripted, !knowsStreams);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
