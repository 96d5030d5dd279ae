import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';

import { RegisterForm } from '@/features/auth/components/RegisterForm';
import { DEFAULT_PASSWORD_POLICY } from '@/shared/api/get-config';
import { json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { user } from '@/testing/samples';

async function register(onRegistered = vi.fn()) {
  renderPage(<RegisterForm policy={DEFAULT_PASSWORD_POLICY} onRegistered={onRegistered} />);
  await userEvent.type(screen.getByLabelText('E-mail address'), 'ada@example.test');
  await userEvent.type(screen.getByLabelText('Password'), 'Vx7!aaaa');
  await userEvent.click(screen.getByRole('button', { name: 'Register' }));
}

describe('RegisterForm', () => {
  it('puts every failure at its field and the focus on the first', async () => {
    const errors = [
      { field: 'password', code: 'too_common', message: 'is one of the most common' },
      { field: 'password', code: 'no_digit', message: 'needs a digit' },
      { field: 'email', code: 'invalid', message: 'is not an address' },
    ];
    serve({ 'POST /v1/users': () => problem(422, 'validation-failed', { errors }) });
    await register();
    await screen.findByText('Is one of the most common');
    expect(screen.getByLabelText('Password')).toHaveAccessibleDescription(/Needs a digit/);
    expect(screen.getByLabelText('E-mail address')).toHaveAccessibleDescription('Is not an address');
    expect(screen.getByLabelText('E-mail address')).toHaveFocus();
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('says of fields that it does not have what they are', async () => {
    const errors = [{ field: 'invitation', code: 'missing', message: 'is needed' }];
    serve({ 'POST /v1/users': () => problem(422, 'validation-failed', { errors }) });
    await register();
    expect(await screen.findByRole('alert')).toHaveTextContent('Invitation: is needed.');
  });

  it('puts a taken address at the address', async () => {
    serve({ 'POST /v1/users': () => problem(409, 'email-taken') });
    await register();
    await waitFor(() => {
      expect(screen.getByLabelText('E-mail address')).toBeInvalid();
    });
  });

  it('says to look into the mailbox where the address is confirmed first', async () => {
    serve({ 'POST /v1/users': () => new Response(null, { status: 202 }) });
    const onRegistered = vi.fn();
    await register(onRegistered);
    expect(await screen.findByRole('status')).toHaveTextContent('A link is on its way');
    expect(onRegistered).not.toHaveBeenCalled();
  });

  it('leaves an empty name out and goes on after success', async () => {
    const log = serve({ 'POST /v1/users': () => json(201, user) });
    const onRegistered = vi.fn();
    await register(onRegistered);
    await waitFor(() => {
      expect(onRegistered).toHaveBeenCalledWith('ada@example.test');
    });
    expect(log[0]?.body).toEqual({ email: 'ada@example.test', password: 'Vx7!aaaa' });
  });
});
