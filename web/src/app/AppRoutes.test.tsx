import { screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';

import { AppRoutes } from '@/app/AppRoutes';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { deviceToken, nextPair, session, tokens, user } from '@/testing/samples';

const routes = {
  'GET /v1/config': () => json(200, {}),
  'GET /v1/me': () => json(200, user),
  'GET /v1/sessions': () => json(200, { items: [session()], next_cursor: null }),
};

describe('AppRoutes', () => {
  it('takes a stranger to sign-in and back to what was asked for', async () => {
    const signedIn = { ...nextPair, session: session(), user, device_token: deviceToken };
    serve({ ...routes, 'POST /v1/sessions': () => json(201, signedIn) });
    renderPage(<AppRoutes />, '/sessions');
    await userEvent.type(screen.getByLabelText('E-mail address'), 'ada@example.test');
    await userEvent.type(screen.getByLabelText('Password'), 'secret{Enter}');
    expect(await screen.findByRole('heading', { name: 'Sessions' })).toHaveFocus();
  });

  it('takes whoever was signed out elsewhere to sign-in, with a word why', async () => {
    tokenStore.signIn(tokens());
    const refuse = () => problem(401, 'invalid-token');
    serve({ ...routes, 'GET /v1/me': refuse, 'GET /v1/sessions': refuse, 'POST /v1/tokens/refresh': refuse });
    renderPage(<AppRoutes />, '/sessions');
    expect(await screen.findByText(/Your session has ended/)).toBeVisible();
    expect(screen.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  });

  it('keeps the log from those who are not auditors', async () => {
    tokenStore.signIn(tokens());
    serve(routes);
    renderPage(<AppRoutes />, '/audit');
    expect(await screen.findByText(/for auditors/)).toBeVisible();
    expect(screen.queryByRole('link', { name: 'Audit log' })).toBeNull();
  });

  it('keeps administration from those who are not administrators', async () => {
    tokenStore.signIn(tokens());
    serve(routes);
    renderPage(<AppRoutes />, '/admin');
    expect(await screen.findByText(/for administrators/)).toBeVisible();
    expect(screen.queryByRole('link', { name: 'Administration' })).toBeNull();
  });

  it('shows administrators the way to administration', async () => {
    tokenStore.signIn(tokens());
    serve({ ...routes, 'GET /v1/me': () => json(200, { ...user, roles: ['admin'] }) });
    renderPage(<AppRoutes />, '/sessions');
    expect(await screen.findByRole('link', { name: 'Administration' })).toBeVisible();
  });

  it('asks for the password where the sign-in was too long ago, and goes on with the new tokens', async () => {
    tokenStore.signIn(tokens());
    const bob = { ...user, id: 'u2', email: 'bob@example.test', state: 'disabled' };
    const log = serve({
      ...routes,
      'GET /v1/me': () => json(200, { ...user, roles: ['admin'] }),
      'GET /v1/admin/users': () => json(200, { items: [bob], next_cursor: null }),
      'GET /v1/admin/service-keys': () => json(200, { items: [], next_cursor: null }),
      'POST /v1/admin/users/u2/enable': ({ headers }) =>
        headers.get('Authorization') === 'Bearer access-2'
          ? json(200, { ...bob, state: 'active' })
          : problem(403, 'reauthentication-required'),
      'POST /v1/sessions/current/reauthenticate': () => json(200, nextPair),
    });
    renderPage(<AppRoutes />, '/admin');
    await userEvent.click(await screen.findByRole('button', { name: 'Enable bob@example.test' }));
    await userEvent.type(await screen.findByLabelText('Your password'), 'secret{Enter}');
    expect(await screen.findByText('The account can sign in again.')).toBeVisible();
    const proof = log.find(({ route }) => route === 'POST /v1/sessions/current/reauthenticate');
    expect(proof?.body).toEqual({ password: 'secret' });
    expect(tokenStore.state().tokens?.accessToken).toBe('access-2');
  });

  it('leads whoever must have a second factor to it, and asks the server for nothing that it refuses', async () => {
    tokenStore.signIn(tokens());
    const log = serve({
      ...routes,
      'GET /v1/me': () => json(200, { ...user, second_factor_required: true }),
    });
    renderPage(<AppRoutes />, '/audit');
    expect(await screen.findByText(/must have a second factor/)).toBeVisible();
    await userEvent.click(screen.getByRole('link', { name: 'Set it up' }));
    expect(await screen.findByRole('button', { name: 'Set up an authenticator app' })).toBeVisible();
    expect(screen.queryByRole('heading', { name: 'Activity' })).toBeNull();
    const asked = new Set(log.map(({ route }) => route));
    expect(asked).toEqual(new Set(['GET /v1/me', 'GET /v1/config']));
  });

  it('lets in whose second factor is on', async () => {
    tokenStore.signIn(tokens());
    const me = { ...user, roles: ['auditor'], second_factor_required: true, totp_enabled: true };
    const events = () => json(200, { items: [], next_after: 0, head: 0 });
    serve({ ...routes, 'GET /v1/me': () => json(200, me), 'GET /v1/audit/events': events });
    renderPage(<AppRoutes />, '/audit');
    expect(await screen.findByRole('heading', { name: 'Audit log' })).toBeVisible();
    expect(screen.queryByText(/must have a second factor/)).toBeNull();
  });

  it('signs out', async () => {
    tokenStore.signIn(tokens());
    const log = serve({ ...routes, 'DELETE /v1/sessions/current': () => empty() });
    renderPage(<AppRoutes />, '/sessions');
    await userEvent.click(screen.getByRole('button', { name: 'Sign out' }));
    expect(await screen.findByText('You are signed out.')).toBeVisible();
    expect(log.map(({ route }) => route)).toContain('DELETE /v1/sessions/current');
    expect(tokenStore.state().tokens).toBeNull();
  });

  it('signs out here even when the server cannot be told, and says so', async () => {
    tokenStore.signIn(tokens());
    serve({ ...routes, 'DELETE /v1/sessions/current': () => problem(503, 'unavailable') });
    renderPage(<AppRoutes />, '/sessions');
    await userEvent.click(screen.getByRole('button', { name: 'Sign out' }));
    expect(await screen.findByText(/the server could not be told/)).toBeVisible();
  });
});
