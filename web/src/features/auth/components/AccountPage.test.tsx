import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { AccountPage } from '@/features/auth/components/AccountPage';
import { DEFAULT_PASSWORD_POLICY } from '@/shared/api/get-config';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens, user } from '@/testing/samples';

const CHANGE = 'PUT /v1/me/password';

function open(answer: () => Response) {
  const password = { ...DEFAULT_PASSWORD_POLICY, min_length: 12 };
  const log = serve({
    'GET /v1/me/activity': () => json(200, { items: [], next_cursor: null }),
    'GET /v1/me': () => json(200, user),
    'GET /v1/config': () => json(200, { registration: 'open', password }),
    [CHANGE]: answer,
  });
  renderPage(<AccountPage />);
  return log;
}

async function change() {
  await userEvent.type(await screen.findByLabelText('Current password'), 'Old-staple-1');
  await userEvent.type(screen.getByLabelText('New password'), 'Vx7!aaaaaaaa');
  await userEvent.click(screen.getByRole('button', { name: 'Change password' }));
}

describe('AccountPage', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('shows the rules of the server for the new password', async () => {
    open(() => empty());
    expect(await screen.findByText('At least 12 characters')).toBeInTheDocument();
  });

  it('changes the password, ends the other sessions, and forgets what was typed', async () => {
    const log = open(() => empty());
    await change();
    expect(await screen.findByText('The password is changed.')).toBeInTheDocument();
    expect(log.find(({ route }) => route === CHANGE)?.body).toEqual({
      current_password: 'Old-staple-1',
      new_password: 'Vx7!aaaaaaaa',
      revoke_other_sessions: true,
    });
    expect(screen.getByLabelText('Current password')).toHaveValue('');
    expect(screen.getByLabelText('New password')).toHaveValue('');
  });

  it('leaves the other sessions open when told so', async () => {
    const log = open(() => empty());
    await userEvent.click(await screen.findByLabelText('Sign out everywhere else'));
    await change();
    await screen.findByText('The password is changed.');
    expect(log.find(({ route }) => route === CHANGE)?.body).toMatchObject({ revoke_other_sessions: false });
  });

  it('puts a wrong password at the current one, with the focus', async () => {
    open(() => problem(403, 'wrong-password'));
    await change();
    await waitFor(() => {
      expect(screen.getByLabelText('Current password')).toBeInvalid();
    });
    expect(screen.getByLabelText('Current password')).toHaveFocus();
    expect(screen.getByLabelText('New password')).toHaveValue('Vx7!aaaaaaaa');
  });

  it('puts what the server finds at the new password', async () => {
    const errors = [{ field: 'new_password', code: 'too_common', message: 'is too common' }];
    open(() => problem(422, 'validation-failed', { errors }));
    await change();
    await screen.findByText('Is too common');
    expect(screen.getByLabelText('New password')).toHaveFocus();
  });
});
