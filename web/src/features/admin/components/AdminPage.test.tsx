import { screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';

import { AdminPage } from '@/features/admin/components/AdminPage';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens, user } from '@/testing/samples';

const bob = { ...user, id: 'u2', email: 'bob@example.test', totp_enabled: true, state: 'active' };
const gateway = {
  id: 'k1',
  name: 'gateway',
  scopes: ['audit'],
  created_by: 'u1',
  created_at: '2026-01-01T00:00:00Z',
  expires_at: null,
  revoked_at: null,
};

function page(...items: unknown[]) {
  return json(200, { items, next_cursor: null });
}

const routes = {
  'GET /v1/admin/users': () => page(bob),
  'GET /v1/admin/service-keys': () => page(gateway),
};

function show(more: Parameters<typeof serve>[0] = {}) {
  tokenStore.signIn(tokens());
  const log = serve({ ...routes, ...more });
  renderPage(<AdminPage />);
  return log;
}

describe('AdminPage', () => {
  it('searches by address, role and state', async () => {
    const log = show();
    await userEvent.type(await screen.findByLabelText('Address or identifier'), ' bob@example.test ');
    await userEvent.selectOptions(screen.getByLabelText('Role'), 'auditor');
    await userEvent.selectOptions(screen.getByLabelText('State'), 'disabled');
    await userEvent.click(screen.getByRole('button', { name: 'Search' }));
    expect(await screen.findByRole('heading', { name: 'bob@example.test' })).toBeVisible();
    expect(log.at(-1)?.url).toBe('/v1/admin/users?query=bob%40example.test&role=auditor&state=disabled');
  });

  it('disables an account only when that was confirmed', async () => {
    const log = show({ 'POST /v1/admin/users/u2/disable': () => json(200, { ...bob, state: 'disabled' }) });
    await userEvent.click(await screen.findByRole('button', { name: 'Disable bob@example.test' }));
    const dialog = screen.getByRole('dialog', { name: 'Disable this account?' });
    expect(log.map(({ route }) => route)).not.toContain('POST /v1/admin/users/u2/disable');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Disable' }));
    expect(await screen.findByText(/signed out everywhere/)).toBeVisible();
    expect(log.map(({ route }) => route)).toContain('POST /v1/admin/users/u2/disable');
  });

  it('changes roles, and says why the last administrator stays', async () => {
    const log = show({ 'POST /v1/admin/users/u2/roles': () => problem(409, 'last-admin') });
    await userEvent.click(await screen.findByRole('checkbox', { name: 'auditor' }));
    await userEvent.click(screen.getByRole('button', { name: 'Save the roles of bob@example.test' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('It is last-admin.');
    expect(log.at(-1)?.body).toEqual({ roles: ['auditor'] });
  });

  it('resets a second factor and ends sessions', async () => {
    const log = show({
      'DELETE /v1/admin/users/u2/totp': () => empty(),
      'DELETE /v1/admin/users/u2/sessions': () => json(200, { revoked: 2 }),
    });
    const reset = 'Reset the second factor of bob@example.test';
    await userEvent.click(await screen.findByRole('button', { name: reset }));
    await userEvent.click(
      within(screen.getByRole('dialog')).getByRole('button', { name: 'Reset second factor' }),
    );
    expect(await screen.findByText('The second factor is off.')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'End the sessions of bob@example.test' }));
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'End sessions' }));
    expect(await screen.findByText('Every session of the account has ended.')).toBeVisible();
    const asked = log.map(({ route }) => route);
    expect(asked).toContain('DELETE /v1/admin/users/u2/totp');
    expect(asked).toContain('DELETE /v1/admin/users/u2/sessions');
  });

  it('ends every session but its own only when that was confirmed', async () => {
    const route = 'POST /v1/admin/sessions/revoke-all';
    const log = show({ [route]: () => json(200, { revoked: 7 }) });
    await userEvent.click(await screen.findByRole('button', { name: 'End all sessions of all accounts' }));
    const dialog = screen.getByRole('dialog', { name: 'End every session of every account?' });
    expect(log.map((asked) => asked.route)).not.toContain(route);
    await userEvent.click(within(dialog).getByRole('button', { name: 'End all sessions' }));
    expect(await screen.findByText(/Ended sessions: 7/)).toBeVisible();
    expect(log.find((asked) => asked.route === route)?.body).toEqual({ keep_current: true });
  });

  it('shows a new service key once, and revokes one', async () => {
    const log = show({
      'POST /v1/admin/service-keys': () => json(201, { ...gateway, id: 'k2', name: 'billing', key: 'f00d' }),
      'DELETE /v1/admin/service-keys/k1': () => empty(),
    });
    await userEvent.type(await screen.findByLabelText('Name of the service'), 'billing');
    await userEvent.click(screen.getByRole('checkbox', { name: 'Ask about tokens' }));
    await userEvent.click(screen.getByRole('button', { name: 'Make a service key' }));
    expect(await screen.findByText('f00d')).toBeVisible();
    const made = log.find(({ route }) => route === 'POST /v1/admin/service-keys');
    expect(made?.body).toEqual({ name: 'billing', scopes: ['introspect'], expires_at: null });
    await userEvent.click(screen.getByRole('button', { name: 'Revoke the key of gateway' }));
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Revoke' }));
    expect(log.map(({ route }) => route)).toContain('DELETE /v1/admin/service-keys/k1');
  });
});
