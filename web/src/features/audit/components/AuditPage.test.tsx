import { screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';

import { AuditPage } from '@/features/audit/components/AuditPage';
import { tokenStore } from '@/shared/auth/token-store';
import { type Asked, json, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens } from '@/testing/samples';

const HEAD = 120;

function log({ url }: Asked) {
  const query = new URLSearchParams(url.split('?')[1]);
  const after = Number(query.get('after'));
  const count = Math.min(Number(query.get('limit')), HEAD - after);
  const items = Array.from({ length: count }, (_, index) => ({
    id: `e${after + index + 1}`,
    type: 'SessionStarted',
    time: '2026-01-01T00:00:00Z',
    position: after + index + 1,
    stream: 'session/s1',
    actor: null,
    data: {},
  }));
  return json(200, { items, next_after: after + count, head: HEAD });
}

describe('AuditPage', () => {
  it('pages forward to the head and back', async () => {
    tokenStore.signIn(tokens());
    serve({ 'GET /v1/audit/events': log });
    renderPage(<AuditPage />, '/audit');
    expect(await screen.findByText('1–50 of 120')).toBeVisible();
    expect(screen.queryByRole('link', { name: 'Previous' })).toBeNull();
    await userEvent.click(screen.getByRole('link', { name: 'Next' }));
    expect(await screen.findByText('51–100 of 120')).toBeVisible();
    await userEvent.click(screen.getByRole('link', { name: 'Latest' }));
    expect(await screen.findByText('71–120 of 120')).toBeVisible();
    expect(screen.queryByRole('link', { name: 'Next' })).toBeNull();
    await userEvent.click(screen.getByRole('link', { name: 'Previous' }));
    expect(await screen.findByText('21–70 of 120')).toBeVisible();
  });
});
