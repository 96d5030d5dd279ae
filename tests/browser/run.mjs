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

import { chromium } from 'playwright-core';

import { runStory } from './story.mjs';
import { Witness } from './witness.mjs';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8080';
const CLIP = fileURLToPath(new URL('../fixtures/bigbuckbunny.mp4', import.meta.url));
const STEP_MS = 15_000;
const JOB_MS = 60_000;

const unique = randomBytes(6).toString('hex');
const email = `story-${unique}@example.test`;
const password = `Vx7!${randomBytes(9).toString('base64url')}-aQ`;

const browser = await chromium.launch({
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
  ],
});
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
const panel = (preset) => desk.page.locator(`section[data-preset="${preset}"]`);

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
  'a clip is uploaded': async () => {
    await desk.page.getByRole('link', { name: 'Media' }).click();
    await desk.page.locator('input[type="file"]').setInputFiles(CLIP);
    await desk.page.getByRole('heading', { name: 'bigbuckbunny.mp4' }).waitFor();
    await desk.page.getByText('1.0 MiB').waitFor();
  },
  'its metadata is read': async () => {
    await panel('metadata')
      .getByRole('button', { name: /^Read metadata/ })
      .click();
    await panel('metadata').getByText('H.264 1280x720').waitFor({ timeout: JOB_MS });
  },
  'its poster is made and shown': async () => {
    await panel('poster')
      .getByRole('button', { name: /^Make poster/ })
      .click();
    const poster = panel('poster').getByRole('img', { name: 'Poster of bigbuckbunny.mp4' });
    await poster.waitFor({ timeout: JOB_MS });
    await poster.evaluate((image) => image.decode());
    assert.deepEqual(
      await poster.evaluate(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]),
      [1280, 720],
    );
    assert.match(await poster.getAttribute('src'), /^blob:/);
  },
  'a preview is made and plays by a link': async () => {
    await desk.page.getByRole('button', { name: 'Make preview: bigbuckbunny.mp4' }).click();
    await panel('preview')
      .getByRole('button', { name: /^Play/ })
      .click({ timeout: JOB_MS });
    const player = panel('preview').locator('video');
    assert.match(await player.getAttribute('src'), /^\/v1\/links\//);
    await desk.page.waitForFunction((video) => video.videoWidth === 480, await player.elementHandle());
  },
  'a reload keeps the session and shows the same again': async () => {
    await desk.page.reload();
    await panel('metadata').getByText('H.264 1280x720').waitFor();
    await panel('poster').getByRole('img').waitFor();
  },
  'the clip is deleted, after a question': async () => {
    await desk.page.getByRole('button', { name: 'Delete bigbuckbunny.mp4' }).click();
    await desk.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await desk.page.getByText('Nothing here yet').waitFor();
    await desk.page.locator('h1:focus').waitFor();
  },
  'signing out leaves nothing behind': async () => {
    await desk.page.getByRole('button', { name: 'Sign out' }).click();
    await desk.page.getByText('You are signed out.').waitFor();
    assert.deepEqual(await desk.page.evaluate(() => [sessionStorage.length, localStorage.length]), [0, 0]);
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
