import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { useLocation } from 'react-router';

import { AccountPage } from '@/features/auth/components/AccountPage';
import { ConfirmEmailPage } from '@/features/auth/components/ConfirmEmailPage';
import { ForgotPasswordPage } from '@/features/auth/components/ForgotPasswordPage';
import { ResetPasswordPage } from '@/features/auth/components/ResetPasswordPage';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens, user } from '@/testing/samples';

const TOKEN = 'a'.repeat(64);
const config = { 'GET /v1/config': () => json(200, { registration: 'open' }) };
const gone = () => problem(410, 'token-expired-or-used');

function Hash() {
  return <output data-testid="hash">{useLocation().hash}</output>;
}

describe('ConfirmEmailPage', () => {
  const open = (path: string) =>
    renderPage(
      <>
        <ConfirmEmailPage />
        <Hash />
      </>,
      path,
    );

  it('confirms on a click, with the token in the body, and keeps it out of the address bar', async () => {
    const log = serve({ 'POST /v1/email-confirmations': () => empty() });
    open(`/confirm-email#token=${TOKEN}`);
    await waitFor(() => {
      expect(screen.getByTestId('hash')).toHaveTextContent('');
    });
    expect(log).toEqual([]);
    await userEvent.click(screen.getByRole('button', { name: 'Confirm the address' }));
    expect(await screen.findByText('Your address is confirmed.')).toBeVisible();
    expect(log.map(({ url, body }) => ({ url, body }))).toEqual([
      { url: '/v1/email-confirmations', body: { token: TOKEN } },
    ]);
  });

  it('says that a link was used', async () => {
    serve({ 'POST /v1/email-confirmations': gone });
    open(`/confirm-email#token=${TOKEN}`);
    await userEvent.click(screen.getByRole('button', { name: 'Confirm the address' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('It is token-expired-or-used.');
  });

  it('asks for the password of a registration, and again when it is wrong', async () => {
    const errors = [{ field: 'password', code: 'missing', message: 'is required' }];
    let answer = () => problem(422, 'validation-failed', { errors });
    const log = serve({ 'POST /v1/email-confirmations': () => answer() });
    open(`/confirm-email#token=${TOKEN}`);
    expect(screen.queryByLabelText('The password that you chose')).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Confirm the address' }));
    const field = await screen.findByLabelText('The password that you chose');
    expect(screen.queryByRole('alert')).toBeNull();
    answer = () => problem(403, 'wrong-password');
    await userEvent.type(field, 'Old-staple-1{Enter}');
    await waitFor(() => {
      expect(field).toBeInvalid();
    });
    expect(field).toHaveFocus();
    answer = () => empty();
    await userEvent.type(field, 'x{Enter}');
    expect(await screen.findByText('Your address is confirmed.')).toBeVisible();
    expect(log.at(-1)?.body).toEqual({ token: TOKEN, password: 'Old-staple-1x' });
    expect(screen.queryByLabelText('The password that you chose')).toBeNull();
  });

  it('says that a link is not whole', () => {
    serve({});
    open('/confirm-email');
    expect(screen.getByRole('alert')).toHaveTextContent('not whole');
    expect(screen.queryByRole('button', { name: 'Confirm the address' })).toBeNull();
  });
});

describe('ForgotPasswordPage', () => {
  it('says the same whatever the address is', async () => {
    const log = serve({ 'POST /v1/password-resets': () => new Response(null, { status: 202 }) });
    renderPage(<ForgotPasswordPage />);
    await userEvent.type(screen.getByLabelText('E-mail address'), ' ada@example.test{Enter}');
    expect(await screen.findByRole('status')).toHaveTextContent('If there is an account with this address');
    expect(log[0]?.body).toEqual({ email: 'ada@example.test' });
  });

  it('puts what is no address at the field, with the focus', async () => {
    const errors = [{ field: 'email', code: 'invalid_email', message: 'is not an address' }];
    serve({ 'POST /v1/password-resets': () => problem(422, 'validation-failed', { errors }) });
    renderPage(<ForgotPasswordPage />);
    await userEvent.type(screen.getByLabelText('E-mail address'), 'ada{Enter}');
    await screen.findByText('Is not an address');
    expect(screen.getByLabelText('E-mail address')).toHaveFocus();
  });
});

describe('ResetPasswordPage', () => {
  it('lets a refused password be tried again with the same link', async () => {
    const errors = [{ field: 'new_password', code: 'too_common', message: 'is too common' }];
    let answer = () => problem(422, 'validation-failed', { errors });
    const log = serve({ ...config, 'POST /v1/password-resets/confirm': () => answer() });
    renderPage(<ResetPasswordPage />, `/reset-password#token=${TOKEN}`);
    await userEvent.type(screen.getByLabelText('New password'), 'Password-1{Enter}');
    await screen.findByText('Is too common');
    expect(screen.getByLabelText('New password')).toHaveFocus();
    answer = () => empty();
    await userEvent.type(screen.getByLabelText('New password'), 'x{Enter}');
    expect(await screen.findByText(/sign in again/)).toBeVisible();
    expect(log.at(-1)?.body).toEqual({ token: TOKEN, new_password: 'Password-1x' });
    expect(screen.queryByLabelText('New password')).toBeNull();
  });

  it('offers another link when this one is over', async () => {
    serve({ ...config, 'POST /v1/password-resets/confirm': gone });
    renderPage(<ResetPasswordPage />, `/reset-password#token=${TOKEN}`);
    await userEvent.type(screen.getByLabelText('New password'), 'Vx7!aaaaaaaa{Enter}');
    expect(await screen.findByRole('alert')).toBeVisible();
    expect(screen.getByRole('link', { name: 'Ask for another link' })).toHaveAttribute(
      'href',
      '/forgot-password',
    );
  });
});

describe('ChangeEmailSection', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  async function change(answer: () => Response) {
    const log = serve({
      ...config,
      'GET /v1/me/activity': () => json(200, { items: [], next_cursor: null }),
      'GET /v1/me': () => json(200, { ...user, email_verified: false }),
      'POST /v1/me/email': answer,
      'DELETE /v1/me/email': () => empty(),
    });
    renderPage(<AccountPage />);
    await userEvent.type(await screen.findByLabelText('New e-mail address'), 'new@example.test');
    await userEvent.type(screen.getByLabelText('Your password'), 'Old-staple-1');
    await userEvent.click(screen.getByRole('button', { name: 'Change address' }));
    return log;
  }

  it('asks for another address, and takes that back', async () => {
    const log = await change(() => new Response(null, { status: 202 }));
    expect(await screen.findByText(/A link is on its way to the new address/)).toBeVisible();
    expect(log.find(({ route }) => route === 'POST /v1/me/email')?.body).toEqual({
      email: 'new@example.test',
      password: 'Old-staple-1',
    });
    expect(screen.getByLabelText('Your password')).toHaveValue('');
    expect(screen.getByText('Not confirmed')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Keep the present address' }));
    expect(await screen.findByText('The address stays as it is.')).toBeVisible();
  });

  it('puts a wrong password at its field', async () => {
    await change(() => problem(403, 'wrong-password'));
    await waitFor(() => {
      expect(screen.getByLabelText('Your password')).toBeInvalid();
    });
    expect(screen.getByLabelText('Your password')).toHaveFocus();
  });
});
