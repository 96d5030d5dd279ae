import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { MediaPage } from '@/features/media/components/MediaPage';
import { type Job, type Media } from '@/shared/api/types';
import { tokenStore } from '@/shared/auth/token-store';
import { json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { job, media, tokens } from '@/testing/samples';

const poster = { name: 'poster.webp', content_type: 'image/webp', bytes: 1 };

function routes(items: Media[], jobs: Job[]) {
  return {
    'GET /v1/config': () => json(200, {}),
    'GET /v1/media': () => json(200, { items, next_cursor: null }),
    'GET /v1/jobs': () => json(200, { items: jobs, next_cursor: null }),
    'GET /v1/jobs/j1/outputs/poster.webp': () => new Response(new Blob(['x'])),
  };
}

describe('MediaPage', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
    URL.createObjectURL = vi.fn(() => 'blob:x');
    URL.revokeObjectURL = vi.fn();
  });

  it('shows each medium with its picture, its state, and the way to its page', async () => {
    const jobs = [
      job({ state: 'succeeded', outputs: [poster] }),
      job({ id: 'j2', preset: 'hls', state: 'failed' }),
    ];
    serve(routes([media(), media({ id: 'm2', name: 'song.mp3', content_type: 'audio/mpeg' })], jobs));
    renderPage(<MediaPage />);
    const [film, song] = await screen.findAllByRole('listitem');
    if (film === undefined || song === undefined) throw new Error('two media');
    expect(within(film).getByRole('link', { name: 'film.mp4' })).toHaveAttribute('href', '/media/m1');
    expect(await within(film).findByText('1 failed')).toBeVisible();
    expect(within(film).getByText('1 made')).toBeVisible();
    await waitFor(() => {
      expect(film.querySelector('img')).toHaveAttribute('src', 'blob:x');
    });
    expect(within(song).getByText('Sound')).toBeVisible();
    expect(within(song).getByText('Stored')).toBeVisible();
  });

  it('says so when there is nothing', async () => {
    serve(routes([], []));
    renderPage(<MediaPage />);
    expect(await screen.findByText(/Nothing here yet/)).toBeVisible();
  });

  it('offers another try when the list cannot be had', async () => {
    let answer = () => problem(500, 'internal');
    serve({ ...routes([], []), 'GET /v1/media': () => answer() });
    renderPage(<MediaPage />);
    expect(await screen.findByText(/The server has a problem/)).toBeVisible();
    answer = () => json(200, { items: [media()], next_cursor: null });
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('link', { name: 'film.mp4' })).toBeVisible();
  });

  it('reads all pages of the jobs', async () => {
    const pages = [
      { items: [job()], next_cursor: 'more' },
      { items: [job({ id: 'j2', preset: 'hls' })], next_cursor: null },
    ];
    const log = serve({ ...routes([media()], []), 'GET /v1/jobs': () => json(200, pages.shift()) });
    renderPage(<MediaPage />);
    expect(await screen.findByText('2 under way')).toBeVisible();
    const asked = log.filter(({ route }) => route === 'GET /v1/jobs').map(({ url }) => url);
    expect(asked).toEqual(['/v1/jobs?limit=200', '/v1/jobs?limit=200&cursor=more']);
  });
});
