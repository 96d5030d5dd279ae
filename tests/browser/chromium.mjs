import { chromium } from 'playwright-core';

/** A real Chromium that asks no other host for anything, and plays without being touched or heard. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-quic',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
      '--mute-audio',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
}

/** Runs in a page, before it: a browser without a player of streams. */
export function forgetStreams() {
  const ask = HTMLMediaElement.prototype.canPlayType;
  HTMLMediaElement.prototype.canPlayType = function canPlayType(type) {
    return /mpegurl/i.test(type) ? '' : ask.call(this, type);
  };
}
