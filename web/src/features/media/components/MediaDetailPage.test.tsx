import { screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { Route, Routes } from 'react-router';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { MediaDetailPage } from '@/features/media/components/MediaDetailPage';
import { type Job, type Media } from '@/shared/api/types';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { job, media, tokens } from '@/testing/samples';

const PLAYLIST = 'application/vnd.apple.mpegurl';
const link = () => json(201, { url: '/v1/links/sealed/x', expires_at: '2026-01-01T04:00:00Z' });

function done(preset: string, ...outputs: [name: string, content_type: string][]): Job {
  const made = outputs.map(([name, content_type]) => ({ name, content_type, bytes: 2048 }));
  return job({ id: `job-${preset}`, preset, state: 'succeeded', outputs: made });
}

function show(jobs: Job[], change: Partial<Media> = {}) {
  const log = serve({
    'GET /v1/media/m1': () => json(200, media(change)),
    'GET /v1/jobs': () => json(200, { items: jobs, next_cursor: null }),
    'POST /v1/media/m1/links': link,
    'DELETE /v1/media/m1': () => empty(),
    'GET /v1/jobs/job-waveform/outputs/waveform.json': () =>
      json(200, { sample_rate: 4000, samples: 8000, peaks: [[-9, 9]] }),
  });
  renderPage(
    <Routes>
      <Route path="/media" element={<p>the list</p>} />
      <Route path="/media/:id" element={<MediaDetailPage />} />
    </Routes>,
    '/media/m1',
  );
  return { links: () => log.filter(({ route }) => route === 'POST /v1/media/m1/links') };
}

class NoSizes {
  readonly observe = vi.fn();
  readonly disconnect = vi.fn();
}

describe('MediaDetailPage', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
    vi.stubGlobal('ResizeObserver', NoSizes);
    vi.stubGlobal('matchMedia', () => new EventTarget());
    vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
    vi.spyOn(HTMLMediaElement.prototype, 'canPlayType').mockReturnValue('maybe');
  });

  it('offers every preset that suits the medium', async () => {
    show([], { content_type: 'audio/mpeg', name: 'song.mp3' });
    expect(await screen.findByRole('heading', { name: 'song.mp3' })).toBeVisible();
    await screen.findByRole('button', { name: 'Extract sound: song.mp3' });
    expect(screen.getAllByRole('region').map((region) => region.dataset.preset)).toEqual([
      'metadata',
      'audio',
      'waveform',
    ]);
  });

  it.each([
    ['web-video', [['web.mp4', 'video/mp4']], 'Web video of film.mp4', 'VIDEO', 'web.mp4'],
    ['preview', [['preview.mp4', 'video/mp4']], 'Preview of film.mp4', 'VIDEO', 'preview.mp4'],
    ['audio', [['audio.m4a', 'audio/mp4']], 'Sound of film.mp4', 'AUDIO', 'audio.m4a'],
    [
      'hls',
      [
        ['v360p.m3u8', PLAYLIST],
        ['master.m3u8', PLAYLIST],
      ],
      'Streaming (HLS) of film.mp4',
      'VIDEO',
      'master.m3u8',
    ],
  ] satisfies [string, [string, string][], string, string, string][])(
    'plays %s by a link that is made when it is wanted',
    async (preset, outputs, label, tag, name) => {
      const { links } = show([done(preset, ...outputs)]);
      await userEvent.click(await screen.findByRole('button', { name: `Play: ${label}` }));
      const player = await screen.findByLabelText(label, { selector: 'video, audio' });
      expect(player.tagName).toBe(tag);
      expect(player).toHaveAttribute('src', '/v1/links/sealed/x');
      expect(links().map(({ body }) => body)).toEqual([
        { expires_in: 14_400, output: { job: `job-${preset}`, name } },
      ]);
    },
  );

  it('gives a stream as a link to its playlist', async () => {
    show([done('hls', ['master.m3u8', PLAYLIST], ['v360p.m3u8', PLAYLIST])]);
    expect(await screen.findByText(/^1 size,/)).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: /^Make a link/ }));
    expect(await screen.findByLabelText(/^Link for other players/)).toHaveValue(
      `${window.location.origin}/v1/links/sealed/x`,
    );
  });

  it('draws a waveform and says in words what it shows', async () => {
    show([done('waveform', ['waveform.json', 'application/json'])]);
    expect(await screen.findByRole('img')).toHaveAccessibleName(
      'Waveform of film.mp4: 2.0 seconds, loudest at 1.0 seconds',
    );
  });

  it('saves the file and what was made of it by a link', async () => {
    const hrefs: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function click(
      this: HTMLAnchorElement,
    ) {
      hrefs.push(`${this.pathname} ${this.download}`);
    });
    const { links } = show([done('audio', ['audio.m4a', 'audio/mp4'])]);
    await userEvent.click(await screen.findByRole('button', { name: 'Download: audio.m4a of film.mp4' }));
    await userEvent.click(screen.getByRole('button', { name: 'Download: film.mp4' }));
    await vi.waitFor(() => {
      expect(hrefs).toEqual(['/v1/links/sealed/x audio.m4a', '/v1/links/sealed/x ']);
    });
    expect(links()[1]?.body).toEqual({ expires_in: 14_400 });
  });

  it('deletes the medium after a question and goes back to the list', async () => {
    show([]);
    await userEvent.click(await screen.findByRole('button', { name: 'Delete film.mp4' }));
    await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Delete' }));
    expect(await screen.findByText('the list')).toBeVisible();
  });

  it('says so when there is no such medium', async () => {
    serve({ 'GET /v1/media/m1': () => problem(404, 'not-found') });
    renderPage(
      <Routes>
        <Route path="/media/:id" element={<MediaDetailPage />} />
      </Routes>,
      '/media/m1',
    );
    expect(await screen.findByText(/There is no such file/)).toBeVisible();
  });
});
