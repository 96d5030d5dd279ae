import assert from 'node:assert/strict';

/** Answers that the story provokes on purpose. Chromium logs each as a console error of its own. */
const EXPECTED = /^Failed to load resource: the server responded with a status of (401|422) /;

const TOKEN = /[0-9a-f]{64}/;

/** Watches everything that a browser context does, so that what must never happen can be asserted at the end. */
export class Witness {
  #urls = [];
  #complaints = [];
  #cookies = [];

  async watch(context) {
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(
          `policy violation: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`,
        );
      });
    });
    context.on('request', (request) => this.#urls.push(request.url()));
    context.on('response', (response) => this.#see(response));
    context.on('weberror', ({ error }) => this.#complaints.push(String(error())));
    context.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (!EXPECTED.test(message.text())) this.#complaints.push(message.text());
    });
    context.on('page', (page) => page.on('framenavigated', (frame) => this.#urls.push(frame.url())));
  }

  #see(response) {
    const { 'set-cookie': cookie } = response.headers();
    if (cookie !== undefined) this.#cookies.push(`${response.url()}: ${cookie}`);
    if (response.status() >= 500) this.#complaints.push(`${response.status()} ${response.url()}`);
  }

  assertQuiet() {
    assert.deepEqual(this.#complaints, []);
  }

  assertNoTokenInUrls() {
    assert.ok(this.#urls.length > 10, 'the witness saw the requests');
    assert.deepEqual(
      this.#urls.filter((url) => TOKEN.test(url)),
      [],
    );
  }

  assertOneOrigin(base) {
    const { origin } = new URL(base);
    const elsewhere = this.#urls.filter((url) => /^https?:/.test(url) && new URL(url).origin !== origin);
    assert.deepEqual(elsewhere, []);
  }

  async assertNoCookies(contexts) {
    assert.deepEqual(this.#cookies, []);
    for (const context of contexts) assert.deepEqual(await context.cookies(), []);
  }
}
