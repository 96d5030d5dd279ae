import { cleanup, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';

import { SignInPage } from '@/features/auth/components/SignInPage';
import { tokenStore } from '@/shared/auth/token-store';
import { json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { deviceToken, nextPair, session, user } from '@/testing/samples';

const config = { 'GET /v1/config': () => json(200, { registration: 'closed' }) };
const signedIn = () => json(201, { ...nextPair, session: session(), user, device_token: deviceToken });
const challenge = () => json(202, { challenge: 'c1', methods: ['totp', 'recovery_code'], expires_in: 300 });

async function signIn() {
  renderPage(<SignInPage email="ada@example.test" />);
  await userEvent.type(screen.getByLabelText('Password'), 'secret{Enter}');
}

describe('SignInPage', () => {
  it('starts a session', async () => {
    serve({ ...config, 'POST /v1/sessions': signedIn });
    await signIn();
    await waitFor(() => {
      expect(tokenStore.state().tokens).toMatchObject({ sessionId: 's1', accessToken: 'access-2' });
    });
  });

  it('sends the token that the last sign-in here got, also after signing out', async () => {
    const asked = serve({ ...config, 'POST /v1/sessions': signedIn });
    const bodies = () => asked.filter((one) => one.route === 'POST /v1/sessions').map((one) => one.body);
    await signIn();
    await waitFor(() => {
      expect(tokenStore.state().tokens).not.toBeNull();
    });
    tokenStore.signOut(null);
    cleanup();
    await signIn();
    await waitFor(() => {
      expect(bodies()[1]).toMatchObject({ email: 'ada@example.test', device_token: deviceToken });
    });
  });

  it('shows why somebody was signed out', () => {
    serve(config);
    tokenStore.signOut('Your session has ended.');
    renderPage(<SignInPage />);
    expect(screen.getByRole('status')).toHaveTextContent('Your session has ended.');
  });

  it('leads on whoever forgot the password', () => {
    serve(config);
    renderPage(<SignInPage />);
    expect(screen.getByRole('link', { name: 'Forgot your password?' })).toHaveAttribute(
      'href',
      '/forgot-password',
    );
  });

  it('does not offer registering where it is closed', async () => {
    serve(config);
    renderPage(<SignInPage />);
    await waitFor(() => {
      expect(screen.queryByRole('link', { name: 'Register' })).toBeNull();
    });
  });

  it('says how long to wait after too many attempts', async () => {
    const refuse = () => problem(429, 'too-many-attempts', {}, { 'Retry-After': '30' });
    serve({ ...config, 'POST /v1/sessions': refuse });
    await signIn();
    expect(await screen.findByRole('alert')).toHaveTextContent(/Try again in 30 seconds, at [\d:]+\./);
  });

  it('asks for the second factor, and sends one kind of code', async () => {
    const log = serve({
      ...config,
      'POST /v1/sessions': challenge,
      'POST /v1/sessions/second-factor': signedIn,
    });
    await signIn();
    await userEvent.click(await screen.findByRole('button', { name: 'Use a recovery code instead' }));
    await userEvent.type(screen.getByLabelText('Recovery code'), 'abcde-12345{Enter}');
    await waitFor(() => {
      expect(tokenStore.state().tokens).not.toBeNull();
    });
    expect(log.at(-1)?.body).toEqual({ challenge: 'c1', recovery_code: 'abcde-12345' });
  });

  it('goes back to the password when the challenge is used up', async () => {
    const expired = () => problem(410, 'challenge-expired');
    serve({ ...config, 'POST /v1/sessions': challenge, 'POST /v1/sessions/second-factor': expired });
    await signIn();
    await userEvent.type(await screen.findByLabelText('Code from your authenticator app'), '123456{Enter}');
    expect(await screen.findByRole('status')).toHaveTextContent('Enter your password again.');
    expect(screen.getByLabelText('Password')).toHaveValue('');
  });
});
