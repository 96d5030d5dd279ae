import { fireEvent, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { Player } from '@/features/media/components/Player';
import { tokenStore } from '@/shared/auth/token-store';
import { json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { tokens } from '@/testing/samples';

const MINUTE_MS = 60_000;

function show(answers: (() => Response)[]) {
  const log = serve({
    'POST /v1/media/m1/links': () => (answers.shift() ?? (() => problem(500, 'internal')))(),
  });
  renderPage(<Player linked={{ mediaId: 'm1' }} kind="film" label="film" />);
  return log;
}

const link = (name: string) => () =>
  json(201, { url: `/v1/links/${name}/content`, expires_at: '2026-01-01T00:00:00Z' });

describe('Player', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('goes on by a new link when its old one has run out', async () => {
    const started = Date.now();
    show([link('one'), link('two')]);
    const player = await screen.findByLabelText('film');
    expect(player).toHaveAttribute('src', '/v1/links/one/content');
    vi.spyOn(Date, 'now').mockReturnValue(started + 300 * MINUTE_MS);
    tokenStore.signIn(tokens());
    fireEvent.error(player);
    await waitFor(() => {
      expect(player).toHaveAttribute('src', '/v1/links/two/content');
    });
  });

  it('says so when the browser cannot play it', async () => {
    const log = show([link('one')]);
    fireEvent.error(await screen.findByLabelText('film'));
    expect(await screen.findByText('This browser cannot play it.')).toBeVisible();
    expect(log).toHaveLength(1);
  });

  it('says why there is no link', async () => {
    show([() => problem(404, 'not-found')]);
    expect(await screen.findByText('It is not-found.')).toBeVisible();
  });
});
