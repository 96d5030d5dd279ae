import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { AccountPage } from '@/features/auth/components/AccountPage';
import { RecoveryCodes } from '@/features/auth/components/RecoveryCodes';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { nextPair, tokens, user } from '@/testing/samples';

function show(more: Parameters<typeof serve>[0] = {}) {
  const log = serve({
    'GET /v1/me': () => json(200, user),
    'GET /v1/me/activity': () => json(200, { items: [], next_cursor: null }),
    'GET /v1/config': () => json(200, {}),
    ...more,
  });
  renderPage(<AccountPage />);
  return log;
}

const event = (type: string, more: object = {}) => ({
  at: '2026-01-01T00:00:00Z',
  type,
  by: 'person',
  session_id: null,
  end_reason: null,
  ...more,
});

/** Keeps what was saved instead of saving it. */
function catchSaved() {
  const saved: { name: string; blob: Blob }[] = [];
  let latest = new Blob();
  vi.stubGlobal(
    'URL',
    Object.assign(URL, {
      createObjectURL: (blob: Blob) => {
        latest = blob;
        return 'blob:test';
      },
      revokeObjectURL: () => undefined,
    }),
  );
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function click(this: HTMLAnchorElement) {
    saved.push({ name: this.download, blob: latest });
  });
  return saved;
}

beforeEach(() => {
  tokenStore.signIn(tokens());
});

describe('the name', () => {
  it('is changed, and none when it is empty', async () => {
    const log = show({ 'PATCH /v1/me': ({ body }) => json(200, { ...user, ...(body as object) }) });
    await userEvent.type(await screen.findByLabelText('Your name'), ' Ada ');
    await userEvent.click(screen.getByRole('button', { name: 'Save name' }));
    expect(await screen.findByText('The name is saved.')).toBeVisible();
    await userEvent.clear(screen.getByLabelText('Your name'));
    await userEvent.click(screen.getByRole('button', { name: 'Save name' }));
    await screen.findByText('The name is saved.');
    const sent = log.filter(({ route }) => route === 'PATCH /v1/me').map(({ body }) => body);
    expect(sent).toEqual([{ name: 'Ada' }, { name: null }]);
  });

  it('is refused at its field', async () => {
    const errors = [{ field: 'name', code: 'too_long', message: 'is too long' }];
    show({ 'PATCH /v1/me': () => problem(422, 'validation-failed', { errors }) });
    await userEvent.type(await screen.findByLabelText('Your name'), 'Ada{Enter}');
    expect(await screen.findByText('Is too long')).toBeVisible();
    expect(screen.getByLabelText('Your name')).toHaveFocus();
  });
});

describe('recent activity', () => {
  it('is told in words, page by page, with unknown types as they are', async () => {
    show({
      'GET /v1/me/activity': ({ url }) =>
        url.includes('cursor=c2')
          ? json(200, { items: [event('SomethingNew', { by: 'system' })], next_cursor: null })
          : json(200, { items: [event('SessionStarted', { session_id: 's1' })], next_cursor: 'c2' }),
    });
    const list = await screen.findByRole('list', { name: 'Recent activity' });
    expect(within(list).getByRole('listitem')).toHaveTextContent('Signed in by youThis session');
    await userEvent.click(screen.getByRole('button', { name: 'Show more' }));
    expect(await within(list).findByText('SomethingNew')).toHaveTextContent('SomethingNew by the server');
  });
});

describe('the export', () => {
  it('is saved as a file, asked for with the token in a header', async () => {
    const saved = catchSaved();
    const log = show({ 'GET /v1/me/export': () => json(200, { user }) });
    await userEvent.click(await screen.findByRole('button', { name: 'Download your data' }));
    await screen.findByText('The file is saved with your downloads.');
    const asked = log.find(({ route }) => route === 'GET /v1/me/export');
    expect(asked?.headers.get('Authorization')).toBe('Bearer access-1');
    expect(saved.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^gatelog-export-[\d-]{10}\.json$/),
    ]);
    expect(saved[0]?.blob.size).toBeGreaterThan(0);
  });
});

describe('deleting the account', () => {
  it('asks for the password, shows the day, and can be taken back', async () => {
    let erase_at: string | null = null;
    const log = show({
      'GET /v1/me': () => json(200, { ...user, erase_at }),
      'POST /v1/me/deletion': () => {
        erase_at = '2026-02-01T12:00:00Z';
        return json(202, { erase_at });
      },
      'DELETE /v1/me/deletion': () => {
        erase_at = null;
        return empty();
      },
    });
    await userEvent.click(await screen.findByRole('button', { name: 'Delete my account…' }));
    const dialog = screen.getByRole('dialog', { name: 'Delete your account?' });
    await userEvent.type(within(dialog).getByLabelText('Your password'), 'secret');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Delete my account' }));
    expect(await screen.findByText(/1 Feb 2026/)).toBeVisible();
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(log.find(({ route }) => route === 'POST /v1/me/deletion')?.body).toEqual({ password: 'secret' });
    await userEvent.click(screen.getByRole('button', { name: 'Keep my account' }));
    expect(await screen.findByText('Your account stays.')).toBeVisible();
  });

  it('proves with the same password who it is, where the sign-in is too long ago', async () => {
    let erase_at: string | null = null;
    const log = show({
      'GET /v1/me': () => json(200, { ...user, erase_at }),
      'POST /v1/sessions/current/reauthenticate': () => json(200, nextPair),
      'POST /v1/me/deletion': ({ headers }) => {
        if (headers.get('Authorization') !== 'Bearer access-2')
          return problem(403, 'reauthentication-required');
        erase_at = '2026-02-01T12:00:00Z';
        return json(202, { erase_at });
      },
    });
    await userEvent.click(await screen.findByRole('button', { name: 'Delete my account…' }));
    await userEvent.type(within(screen.getByRole('dialog')).getByLabelText('Your password'), 'secret{Enter}');
    expect(await screen.findByText(/1 Feb 2026/)).toBeVisible();
    const proof = log.find(({ route }) => route === 'POST /v1/sessions/current/reauthenticate');
    expect(proof?.body).toEqual({ password: 'secret' });
  });

  it('puts a wrong password at its field', async () => {
    show({ 'POST /v1/me/deletion': () => problem(403, 'wrong-password') });
    await userEvent.click(await screen.findByRole('button', { name: 'Delete my account…' }));
    const dialog = screen.getByRole('dialog');
    await userEvent.type(within(dialog).getByLabelText('Your password'), 'wrong{Enter}');
    await waitFor(() => {
      expect(within(dialog).getByLabelText('Your password')).toBeInvalid();
    });
  });

  it('says that too many passwords were tried, and until when', async () => {
    show({ 'POST /v1/me/deletion': () => problem(429, 'too-many-attempts', {}, { 'Retry-After': '90' }) });
    await userEvent.click(await screen.findByRole('button', { name: 'Delete my account…' }));
    const dialog = screen.getByRole('dialog');
    await userEvent.type(within(dialog).getByLabelText('Your password'), 'wrong{Enter}');
    expect(await within(dialog).findByRole('alert')).toHaveTextContent(/in 90 seconds, at [\d:]+\./);
  });
});

describe('recovery codes', () => {
  it('are copied and saved', async () => {
    const saved = catchSaved();
    const person = userEvent.setup();
    renderPage(<RecoveryCodes codes={['aaaaa-bbbbb', 'ccccc-ddddd']} />);
    await person.click(screen.getByRole('button', { name: 'Copy' }));
    expect(await screen.findByText('Copied.')).toBeVisible();
    expect(await navigator.clipboard.readText()).toBe('aaaaa-bbbbb\nccccc-ddddd\n');
    await person.click(screen.getByRole('button', { name: 'Download' }));
    expect(saved.map(({ name }) => name)).toEqual(['gatelog-recovery-codes.txt']);
  });
});
