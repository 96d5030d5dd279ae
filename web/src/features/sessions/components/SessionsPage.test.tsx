import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { SessionsPage } from '@/features/sessions/components/SessionsPage';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { session, tokens } from '@/testing/samples';

const current = session();
const phone = session({
  id: 's2',
  current: false,
  device: { name: 'Phone', browser: 'Safari', os: 'iOS', kind: 'phone' },
});
const page = (items: unknown[], next_cursor: string | null = null) => json(200, { items, next_cursor });

describe('SessionsPage', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('marks the current session and offers to end only the others', async () => {
    serve({ 'GET /v1/sessions': () => page([current, phone]) });
    renderPage(<SessionsPage />, '/sessions');
    const [first, second] = await screen.findAllByRole('listitem');
    expect(first).toHaveTextContent('Firefox 140 on LinuxThis session');
    expect(second).toHaveTextContent('PhoneSafari on iOS');
    const names = screen
      .getAllByRole('button')
      .map((button) => button.getAttribute('aria-label') ?? button.textContent);
    expect(names).toEqual(['End all others', 'End session: Phone, 192.0.2.1']);
  });

  it('ends a session only after the question is answered', async () => {
    let items = [current, phone];
    const log = serve({
      'GET /v1/sessions': () => page(items),
      'DELETE /v1/sessions/s2': () => {
        items = [current];
        return empty();
      },
    });
    renderPage(<SessionsPage />, '/sessions');
    await userEvent.click(await screen.findByRole('button', { name: /^End session/ }));
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(log.some(({ route }) => route.startsWith('DELETE'))).toBe(false);
    await userEvent.click(screen.getByRole('button', { name: /^End session/ }));
    await userEvent.click(screen.getByRole('button', { name: 'End session' }));
    await waitFor(() => {
      expect(screen.getAllByRole('listitem')).toHaveLength(1);
    });
  });

  it('keeps the question open when ending fails', async () => {
    serve({
      'GET /v1/sessions': () => page([current, phone]),
      'DELETE /v1/sessions': () => problem(503, 'overloaded', {}, { 'Retry-After': '3' }),
    });
    renderPage(<SessionsPage />, '/sessions');
    await userEvent.click(await screen.findByRole('button', { name: 'End all others' }));
    const dialog = screen.getByRole('dialog');
    await userEvent.click(within(dialog).getByRole('button', { name: 'End all others' }));
    expect(await within(dialog).findByRole('alert')).toHaveTextContent('Try again in 3 seconds.');
  });

  it('shows ended sessions with their reason, page by page', async () => {
    const over = { current: false, ended_at: '2026-01-02T00:00:00Z' };
    const log = serve({
      'GET /v1/sessions': ({ url }) =>
        url.includes('cursor=c2')
          ? page([session({ ...over, id: 's4', end_reason: 'from_the_future' })])
          : page([session({ ...over, id: 's3', end_reason: 'signed_out' })], 'c2'),
    });
    renderPage(<SessionsPage />, '/sessions?state=ended');
    expect(await screen.findByText('Signed out')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Show more' }));
    expect(await screen.findByText('from the future')).toBeVisible();
    expect(log[0]?.url).toContain('state=ended');
    expect(screen.queryByRole('button')).toBeNull();
  });
});
