import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { ProofDialog } from '@/features/auth/components/ProofDialog';
import { call } from '@/shared/api/authorized';
import { describeError } from '@/shared/api/problem';
import { tokenStore } from '@/shared/auth/token-store';
import { type Asked, empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { nextPair, tokens, user } from '@/testing/samples';

const PROVE = 'POST /v1/sessions/current/reauthenticate';

function sensitive({ headers }: Asked) {
  const isProved = headers.get('Authorization') === 'Bearer access-2';
  return isProved ? empty() : problem(403, 'reauthentication-required');
}

/** Makes as many sensitive calls at once, and tells what becomes of them. */
async function show(calls: number, prove: (asked: Asked) => Response) {
  const log = serve({ 'DELETE /v1/me/totp': sensitive, [PROVE]: prove });
  renderPage(<ProofDialog user={{ ...user, totp_enabled: true }} />);
  const outcomes = Array.from({ length: calls }, () =>
    call('/v1/me/totp', { method: 'DELETE' }).then(({ status }) => status, describeError),
  );
  await screen.findByRole('dialog', { name: 'Confirm that it is you' });
  return { log, outcomes: Promise.all(outcomes) };
}

describe('ProofDialog', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('asks once for all calls that wait, and makes them again with the new tokens', async () => {
    const { log, outcomes } = await show(2, () => json(200, nextPair));
    await userEvent.type(screen.getByLabelText('Your password'), 'secret{Enter}');
    expect(await outcomes).toEqual([204, 204]);
    expect(log.filter(({ route }) => route === PROVE).map(({ body }) => body)).toEqual([
      { password: 'secret' },
    ]);
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('takes a code of the authenticator app, too', async () => {
    const { log, outcomes } = await show(1, () => json(200, nextPair));
    await userEvent.click(screen.getByRole('button', { name: 'Use a code instead' }));
    await userEvent.type(screen.getByLabelText('Code from your authenticator app'), '123 456{Enter}');
    expect(await outcomes).toEqual([204]);
    expect(log.find(({ route }) => route === PROVE)?.body).toEqual({ code: '123456' });
  });

  it('asks for a code at once where the account must have a second factor', async () => {
    serve({ [PROVE]: () => json(200, nextPair), 'DELETE /v1/me/totp': sensitive });
    renderPage(<ProofDialog user={{ ...user, totp_enabled: true, second_factor_required: true }} />);
    const outcome = call('/v1/me/totp', { method: 'DELETE' });
    await userEvent.type(await screen.findByLabelText('Code from your authenticator app'), '123456{Enter}');
    expect((await outcome).status).toBe(204);
  });

  it('puts a wrong password at its field, and stays', async () => {
    await show(1, () => problem(403, 'wrong-password'));
    await userEvent.type(screen.getByLabelText('Your password'), 'wrong{Enter}');
    await waitFor(() => {
      expect(screen.getByLabelText('Your password')).toBeInvalid();
    });
    expect(screen.getByLabelText('Your password')).toHaveFocus();
    expect(tokenStore.state().tokens?.accessToken).toBe('access-1');
  });

  it('says how long to wait after too many attempts', async () => {
    await show(1, () => problem(429, 'too-many-attempts', {}, { 'Retry-After': '60' }));
    await userEvent.type(screen.getByLabelText('Your password'), 'wrong{Enter}');
    expect(await screen.findByRole('alert')).toHaveTextContent(/Try again in 60 seconds, at [\d:]+\./);
  });

  it('lets the call fail, in words, where the person gives no proof', async () => {
    const { log, outcomes } = await show(1, () => json(200, nextPair));
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(await outcomes).toEqual(['Nothing has changed: this needs your password or a code once more.']);
    expect(log).toHaveLength(1);
  });
});
