import { screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { MediaCard } from '@/features/media/components/MediaCard';
import { type Job } from '@/shared/api/types';
import { tokenStore } from '@/shared/auth/token-store';
import { json, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { job, media, tokens } from '@/testing/samples';

const LINKS = 'POST /v1/media/m1/links';
const link = () => json(201, { url: '/v1/links/sealed/x', expires_at: '2026-01-01T04:00:00Z' });

function done(preset: string, ...outputs: [name: string, content_type: string][]): Job {
  const made = outputs.map(([name, content_type]) => ({ name, content_type, bytes: 2048 }));
  return job({ preset, state: 'succeeded', outputs: made });
}

function show(jobs: Job[], change: Parameters<typeof media>[0] = {}) {
  const log = serve({ [LINKS]: link, 'POST /v1/media/m1/jobs': () => json(202, job({ preset: 'hls' })) });
  renderPage(
    <ul>
      <MediaCard media={media(change)} jobs={jobs} />
    </ul>,
  );
  return log;
}

const more = () =>
  within(screen.getByRole('list', { name: /^Make more/ }))
    .getAllByRole('button')
    .map(({ textContent }) => textContent);

describe('MediaCard', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('offers what suits the medium and is not made yet', () => {
    show([done('audio', ['audio.m4a', 'audio/mp4'])]);
    expect(more()).toEqual(['Make web video', 'Make preview', 'Draw waveform', 'Make stream']);
  });

  it('starts a job of a further preset', async () => {
    const log = show([]);
    await userEvent.click(screen.getByRole('button', { name: 'Make stream: film.mp4' }));
    expect(log[0]?.body).toEqual({ preset: 'hls' });
  });

  it.each([
    ['web-video', 'web.mp4', 'video/mp4', 'Web video of film.mp4', 'VIDEO'],
    ['audio', 'audio.m4a', 'audio/mp4', 'Sound of film.mp4', 'AUDIO'],
  ])('plays %s by a link that is made when it is wanted', async (preset, name, type, label, tag) => {
    const log = show([done(preset, [name, type])]);
    expect(log).toEqual([]);
    await userEvent.click(screen.getByRole('button', { name: `Play: ${label}` }));
    const player = await screen.findByLabelText(label, { selector: 'video, audio' });
    expect(player.tagName).toBe(tag);
    expect(player).toHaveAttribute('src', '/v1/links/sealed/x');
    expect(log[0]?.body).toEqual({ expires_in: 14_400, output: { job: 'j1', name } });
  });

  it('gives a stream as a link to its playlist', async () => {
    const playlist = 'application/vnd.apple.mpegurl';
    vi.spyOn(HTMLMediaElement.prototype, 'canPlayType').mockReturnValue('');
    const log = show([done('hls', ['master.m3u8', playlist], ['v360p.m3u8', playlist])]);
    expect(screen.getByText(/^1 size,/)).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: /^Make a link/ }));
    expect(await screen.findByLabelText(/^Link for players/)).toHaveValue(
      `${window.location.origin}/v1/links/sealed/x`,
    );
    expect(log[0]?.body).toMatchObject({ output: { job: 'j1', name: 'master.m3u8' } });
  });

  it('saves the file itself by a link', async () => {
    const hrefs: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function click(
      this: HTMLAnchorElement,
    ) {
      hrefs.push(this.href);
    });
    const log = show([], { content_type: 'audio/mpeg', name: 'song.mp3' });
    await userEvent.click(screen.getByRole('button', { name: 'Download: song.mp3' }));
    await vi.waitFor(() => {
      expect(hrefs).toEqual([`${window.location.origin}/v1/links/sealed/x`]);
    });
    expect(log[0]?.body).toEqual({ expires_in: 14_400 });
  });
});
