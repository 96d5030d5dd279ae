import { screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { AccountPage } from '@/features/auth/components/AccountPage';
import { DEFAULT_PASSWORD_POLICY } from '@/shared/api/get-config';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens, user } from '@/testing/samples';

const CONFIRM = 'POST /v1/me/totp/confirm';
const TURN_OFF = 'DELETE /v1/me/totp';
const enrolment = { secret: 'GEZDGNBV', otpauth_uri: 'otpauth://totp/x', qr_svg: '<svg/>', expires_in: 600 };

/** A server whose account has the second factor on once a code was confirmed, and off once it was turned off. */
function open(isOn: boolean, off: (body: unknown) => Response = () => empty()) {
  let totp = isOn;
  const log = serve({
    // As slow as a network: by then the account was read again.
    'GET /v1/me/activity': async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return json(200, { items: [], next_cursor: null });
    },
    'GET /v1/me': () => json(200, { ...user, totp_enabled: totp, recovery_codes_left: totp ? 10 : 0 }),
    'GET /v1/config': () => json(200, { registration: 'open', password: DEFAULT_PASSWORD_POLICY }),
    'POST /v1/me/totp': () => json(201, enrolment),
    [CONFIRM]: ({ body }) => {
      if ((body as { code: string }).code !== '123456') return problem(401, 'invalid-code');
      totp = true;
      return json(200, { recovery_codes: ['aaaaa-bbbbb-ccccc'] });
    },
    [TURN_OFF]: ({ body }) => {
      const answer = off(body);
      totp = !answer.ok;
      return answer;
    },
  });
  renderPage(<AccountPage />);
  return log;
}

async function press(name: string) {
  await userEvent.click(await screen.findByRole('button', { name }));
}

describe('SecondFactorSection', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('turns the second factor on with a code, and shows the recovery codes', async () => {
    const log = open(false);
    await press('Set up an authenticator app');
    expect(await screen.findByText('GEZDGNBV')).toBeInTheDocument();
    expect(screen.getByAltText('QR code of the key below')).toHaveAttribute(
      'src',
      expect.stringContaining('svg'),
    );
    await userEvent.type(screen.getByLabelText('Code from your authenticator app'), '123 456');
    await press('Turn on');
    expect(await screen.findByText('aaaaa-bbbbb-ccccc')).toBeInTheDocument();
    expect(await screen.findByText('10 recovery codes left.')).toBeInTheDocument();
    expect(screen.queryByText('GEZDGNBV')).not.toBeInTheDocument();
    expect(log.find(({ route }) => route === CONFIRM)?.body).toEqual({ code: '123456' });
  });

  it('says that a code is wrong, and stays signed in', async () => {
    open(false);
    await press('Set up an authenticator app');
    await userEvent.type(await screen.findByLabelText('Code from your authenticator app'), '000000');
    await press('Turn on');
    expect(await screen.findByRole('alert')).toHaveTextContent('It is invalid-code');
    expect(tokenStore.state().tokens).not.toBeNull();
  });

  it('turns it off, after a question', async () => {
    const log = open(true);
    await press('Turn off…');
    await press('Cancel');
    expect(log.map(({ route }) => route)).not.toContain(TURN_OFF);
    await press('Turn off…');
    await press('Turn off');
    expect(await screen.findByText('Only your password protects this account.')).toBeInTheDocument();
  });

  it.each([
    ['code', 'Code from your authenticator app'],
    ['recovery_code', 'Recovery code'],
  ])('asks for a code to turn it off where the server does, and sends it as %s', async (field, label) => {
    const log = open(true, (body) => (body ? empty() : problem(422, 'validation-failed')));
    await press('Turn off…');
    await press('Turn off');
    if (field === 'recovery_code') await press('Use a recovery code instead');
    await userEvent.type(await screen.findByLabelText(label), '123456');
    await press('Turn off');
    expect(await screen.findByText('Only your password protects this account.')).toBeInTheDocument();
    expect(log.filter(({ route }) => route === TURN_OFF).map(({ body }) => body)).toEqual([
      undefined,
      { [field]: '123456' },
    ]);
  });
});
