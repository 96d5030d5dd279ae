/**
 * The story of one person in a real Chromium against a real server, through the web application only.
 *
 * BASE_URL   the server's public address (default http://127.0.0.1:8080)
 * CHROMIUM   the browser (default /usr/bin/chromium)
 *
 * Never touches the API directly, retries nothing and sleeps nowhere: it waits for what a person would wait for.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { forgetStreams, launchBrowser } from './chromium.mjs';
import { assertPlays } from './playback.mjs';
import { runStory } from './story.mjs';
import { Witness } from './witness.mjs';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8080';
const NAME = 'bigbuckbunny.mp4';
const CLIP = fileURLToPath(new URL('../fixtures/bigbuckbunny.mp4', import.meta.url));
const STEP_MS = 15_000;
const JOB_MS = 60_000;

const unique = randomBytes(6).toString('hex');
const email = `story-${unique}@example.test`;
const password = `Vx7!${randomBytes(9).toString('base64url')}-aQ`;

const browser = await launchBrowser();
const witness = new Witness();
const [desk, phone] = [await openContext(), await openContext()];

async function openContext() {
  const context = await browser.newContext({ baseURL: BASE_URL });
  context.setDefaultTimeout(STEP_MS);
  await witness.watch(context);
  const page = await context.newPage();
  return { context, page };
}

async function fillIn(page, values) {
  for (const [label, value] of Object.entries(values))
    await page.getByLabel(label, { exact: true }).fill(value);
}

async function signIn({ page }, secret) {
  await fillIn(page, { 'E-mail address': email, Password: secret });
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const activeSessions = () => desk.page.getByRole('list', { name: 'Active sessions' }).getByRole('listitem');
const panelOf = ({ page }, preset) => page.locator(`section[data-preset="${preset}"]`);
const panel = (preset) => panelOf(desk, preset);

/** Starts a job on the clip's page and waits until its outcome shows. */
async function make(preset, action) {
  await panel(preset)
    .getByRole('button', { name: `${action}: ${NAME}` })
    .click();
  await panel(preset).locator('[data-state="succeeded"]').waitFor({ timeout: JOB_MS });
}

/** Presses a panel's Play; its player. */
async function open(who, preset) {
  await panelOf(who, preset).getByRole('button', { name: /^Play/ }).click();
  const player = panelOf(who, preset).locator('video, audio');
  await player.waitFor();
  return player;
}

const steps = {
  'an unknown visitor is asked to sign in': async () => {
    await desk.page.goto('/media');
    await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(new URL(desk.page.url()).pathname, '/sign-in');
  },
  'a weak password is refused with every reason at its field': async () => {
    const { page } = desk;
    await page.getByRole('link', { name: 'Register' }).click();
    await fillIn(page, { 'E-mail address': email, Password: 'abc' });
    assert.equal(await page.locator('[data-rule="no_lowercase"]').getAttribute('data-met'), 'true');
    assert.equal(await page.locator('[data-rule="too_short"]').getAttribute('data-met'), 'false');
    await page.getByRole('button', { name: 'Register' }).click();
    await page.locator('input[name="password"][aria-invalid="true"]').waitFor();
    assert.ok((await page.locator('.field-errors li').count()) >= 4, 'length, upper case, digit and symbol');
  },
  'a good one registers': async () => {
    const { page } = desk;
    await fillIn(page, { Password: password });
    assert.equal(await page.locator('[data-rule][data-met="false"]').count(), 0);
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  },
  'a wrong password shows an error and signs nobody in': async () => {
    await signIn(desk, `${password}x`);
    await desk.page.getByRole('alert').waitFor();
    assert.equal(new URL(desk.page.url()).pathname, '/sign-in');
    assert.equal(await desk.page.evaluate(() => sessionStorage.length), 0);
  },
  'the right one signs in': async () => {
    await signIn(desk, password);
    await desk.page.getByRole('heading', { name: 'Media' }).waitFor();
    await desk.page.getByText(email).waitFor();
  },
  'the session list shows this session as the current one': async () => {
    await desk.page.getByRole('link', { name: 'Sessions' }).click();
    await activeSessions().first().waitFor();
    assert.equal(await activeSessions().count(), 1);
    assert.match(
      await activeSessions().innerText(),
      /Chrom.*This session.*127\.0\.0\.1|Chrom.*This session.*::1/s,
    );
  },
  'a second browser signs in and appears in the list': async () => {
    await phone.page.goto('/sessions');
    await signIn(phone, password);
    await phone.page.getByRole('heading', { name: 'Sessions' }).waitFor();
    await desk.page.reload();
    await activeSessions().nth(1).waitFor();
    assert.equal(await desk.page.locator('[data-current="true"]').count(), 1);
  },
  'the second session is ended, after a question': async () => {
    await desk.page.getByRole('button', { name: /^End session/ }).click();
    const dialog = desk.page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });
    await desk.page.locator('button[aria-label^="End session"]:focus').waitFor();
    assert.equal(await activeSessions().count(), 2);
    await desk.page.getByRole('button', { name: /^End session/ }).click();
    await dialog.getByRole('button', { name: 'End session' }).click();
    await activeSessions().nth(1).waitFor({ state: 'detached' });
    await desk.page.locator('h1:focus').waitFor();
  },
  'the second browser is signed out and told so': async () => {
    await phone.page.getByRole('link', { name: 'Media' }).click();
    await phone.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await phone.page.getByText('Your session has ended').waitFor();
    assert.equal(await phone.page.evaluate(() => sessionStorage.length), 0);
  },
  'the ended session is listed with its reason': async () => {
    await desk.page.getByRole('link', { name: 'Ended', exact: true }).click();
    const ended = desk.page.getByRole('list', { name: 'Ended sessions' }).getByRole('listitem');
    await ended.first().waitFor();
    assert.equal(await ended.count(), 1);
  },
  'the name is changed': async () => {
    await desk.page.getByRole('link', { name: 'Account' }).click();
    await fillIn(desk.page, { 'Your name': 'Ada of the story' });
    await desk.page.getByRole('button', { name: 'Save name' }).click();
    await desk.page.getByText('The name is saved.').waitFor();
    await desk.page.reload();
    await desk.page.locator('input[name="name"][value="Ada of the story"]').waitFor();
  },
  'the activity tells of it, in words': async () => {
    const activity = desk.page.getByRole('list', { name: 'Recent activity' });
    await activity.getByText('Name changed by you').waitFor();
    await activity.getByText('Session ended: ended from another device by you').waitFor();
    const here = activity.getByRole('listitem').filter({ hasText: 'This session' });
    assert.match(await here.innerText(), /^Signed in\s+by you/);
  },
  'the stored data is saved as a file': async () => {
    const [download] = await Promise.all([
      desk.page.waitForEvent('download'),
      desk.page.getByRole('button', { name: 'Download your data' }).click(),
    ]);
    assert.match(download.suggestedFilename(), /^gatelog-export-.*\.json$/);
    const document = JSON.parse(await readFile(await download.path(), 'utf8'));
    assert.equal(document.user.email, email);
    assert.equal(document.sessions.length, 2);
  },
  'the deletion of the account is asked for with the password': async () => {
    await desk.page.getByRole('button', { name: 'Delete my account…' }).click();
    const dialog = desk.page.getByRole('dialog', { name: 'Delete your account?' });
    await fillIn(dialog, { 'Your password': password });
    await dialog.getByRole('button', { name: 'Delete my account' }).click();
    await dialog.waitFor({ state: 'detached' });
    await desk.page.getByText(/^This account and everything in it is erased/).waitFor();
    await desk.page.getByRole('link', { name: 'Media' }).click();
    await desk.page.getByText(/^This account is erased on/).waitFor();
  },
  'and taken back': async () => {
    await desk.page.getByRole('link', { name: 'Change your mind' }).click();
    await desk.page.getByRole('button', { name: 'Keep my account' }).click();
    await desk.page.getByText('Your account stays.').waitFor();
    await desk.page.getByText(/^This account is erased on/).waitFor({ state: 'detached' });
    const activity = desk.page.getByRole('list', { name: 'Recent activity' });
    await activity.getByText('Deletion of the account taken back by you').waitFor();
  },
  'a clip is uploaded, and what it is shows by itself': async () => {
    await desk.page.getByRole('link', { name: 'Media' }).click();
    await desk.page.locator('input[type="file"]').setInputFiles(CLIP);
    const card = desk.page.getByRole('listitem').filter({ has: desk.page.getByRole('link', { name: NAME }) });
    await card.getByText('1.0 MiB').waitFor();
    await card.locator('img').waitFor({ timeout: JOB_MS });
    await card.getByText('2 made').waitFor({ timeout: JOB_MS });
    await card.getByRole('link', { name: NAME }).click();
    await desk.page.getByRole('heading', { name: NAME, level: 1 }).waitFor();
    await panel('metadata').getByText('H.264 1280x720').waitFor();
  },
  'its poster is shown, and another one is taken elsewhere': async () => {
    const poster = panel('poster').getByRole('img', { name: `Poster of ${NAME}` });
    await poster.waitFor();
    const first = await poster.getAttribute('src');
    await panel('poster').getByLabel('At second').fill('4.5');
    await panel('poster').getByLabel('At second').press('Enter');
    await desk.page.waitForFunction(
      ([selector, before]) => {
        const image = document.querySelector(selector);
        return image !== null && image.src !== before && image.naturalWidth === 1280;
      },
      ['section[data-preset="poster"] img', first],
      { timeout: JOB_MS },
    );
    assert.match(await poster.getAttribute('src'), /^blob:/);
  },
  'a film for the web is made, and plays by a link': async () => {
    await make('web-video', 'Make web video');
    await assertPlays(await open(desk, 'web-video'), [1280, 720]);
  },
  'a stream is made, and plays where the browser knows streams': async () => {
    await make('hls', 'Make stream');
    await panel('hls').getByText('2 sizes, chosen by the player').waitFor();
    await assertPlays(await open(desk, 'hls'), null);
  },
  'a preview plays, without sound': async () => {
    await make('preview', 'Make preview');
    await assertPlays(await open(desk, 'preview'), [480, 270]);
  },
  'the sound is extracted, plays, and is drawn': async () => {
    await make('audio', 'Extract sound');
    await make('waveform', 'Draw waveform');
    await assertPlays(await open(desk, 'audio'), [0, 0]);
    const drawing = panel('waveform').getByRole('img', { name: /^Waveform of .*: 5\.3 seconds, loudest at/ });
    await drawing.waitFor();
    const inked = await drawing.locator('canvas').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((byte) => byte !== 0);
    });
    assert.ok(inked, 'the canvas is not empty');
  },
  'a reload keeps the session and shows the same again': async () => {
    await desk.page.reload();
    await panel('metadata').getByText('H.264 1280x720').waitFor();
    await panel('poster').getByRole('img').waitFor();
    await panel('hls').getByRole('button', { name: /^Play/ }).waitFor();
  },
  'a browser that knows no streams plays one all the same': async () => {
    await phone.context.addInitScript(forgetStreams);
    await phone.page.goto(new URL(desk.page.url()).pathname);
    await signIn(phone, password);
    const player = await open(phone, 'hls');
    await assertPlays(player, null);
    assert.match(await player.evaluate((video) => video.src), /^blob:/, 'by Media Source Extensions');
    await phone.page.getByRole('button', { name: 'Sign out' }).click();
  },
  'it all fits a small screen, also in the dark': async () => {
    await desk.page.setViewportSize({ width: 320, height: 640 });
    await desk.page.emulateMedia({ colorScheme: 'dark' });
    for (const path of [new URL(desk.page.url()).pathname, '/media']) {
      await desk.page.goto(path);
      await desk.page.locator('.poster[src]').first().waitFor();
      const tooWide = await desk.page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(tooWide <= 0, `${path} is ${tooWide} pixels too wide`);
    }
    await desk.page.setViewportSize({ width: 1280, height: 720 });
  },
  'the clip is deleted, after a question': async () => {
    await desk.page.getByRole('link', { name: NAME }).click();
    await desk.page.getByRole('button', { name: `Delete ${NAME}` }).click();
    await desk.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await desk.page.getByText('Nothing here yet').waitFor();
    await desk.page.locator('h1:focus').waitFor();
  },
  'signing out leaves nothing behind but the token of the device': async () => {
    await desk.page.getByRole('button', { name: 'Sign out' }).click();
    await desk.page.getByText('You are signed out.').waitFor();
    assert.equal(await desk.page.evaluate(() => sessionStorage.length), 0);
    const left = await desk.page.evaluate(() => Object.entries(localStorage));
    assert.match(left.join(), /^gatelog\.devices,\[{"address":"[0-9a-f]{8}","token":"[0-9a-f]{64}"}\]$/);
    await desk.page.goto('/sessions');
    await desk.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  },
  'no policy violation, no console error, no fault of the server': async () => witness.assertQuiet(),
  'no token was ever in a URL': async () => witness.assertNoTokenInUrls(),
  'no other host was asked': async () => witness.assertOneOrigin(BASE_URL),
  'no cookie was ever set': () => witness.assertNoCookies([desk.context, phone.context]),
};

const passed = await runStory(steps);
await browser.close();
process.exitCode = passed ? 0 : 1;
