import { screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { JobPanel } from '@/features/media/components/JobPanel';
import { type Job } from '@/shared/api/types';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, json, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { job, media, tokens } from '@/testing/samples';

function show(known?: Job) {
  renderPage(
    <JobPanel media={media()} preset="poster" job={known}>
      {({ outputs }) => <p>made {outputs.length}</p>}
    </JobPanel>,
  );
}

describe('JobPanel', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('asks until the job has ended, and then no more', async () => {
    const states: Job['state'][] = ['running', 'succeeded'];
    const log = serve({ 'GET /v1/jobs/j1': () => json(200, job({ state: states.shift() ?? 'failed' })) });
    show(job());
    expect(await screen.findByText('made 0')).toBeVisible();
    expect(log).toHaveLength(2);
  });

  it('does not ask for one that has ended', async () => {
    const log = serve({});
    show(job({ state: 'succeeded' }));
    expect(await screen.findByText('made 0')).toBeVisible();
    expect(log).toEqual([]);
  });

  it('starts a job with its preset', async () => {
    const log = serve({ 'POST /v1/media/m1/jobs': () => json(202, job()) });
    show();
    await userEvent.click(screen.getByRole('button', { name: 'Make poster: film.mp4' }));
    expect(log[0]?.body).toEqual({ preset: 'poster' });
  });

  it('cancels a job and shows that it is', async () => {
    let state: Job['state'] = 'running';
    serve({
      'GET /v1/jobs/j1': () => json(200, job({ state })),
      'DELETE /v1/jobs/j1': () => {
        state = 'cancelled';
        return empty();
      },
    });
    show(job());
    await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
    expect(await screen.findByText('Cancelled')).toBeVisible();
  });

  it.each([
    [true, 1],
    [false, 0],
  ])('after a failure that is retryable: %s, offers %d more tries', (retryable, buttons) => {
    serve({});
    show(
      job({ state: 'failed', error: { code: 'corrupt_input', detail: 'The file is damaged.', retryable } }),
    );
    expect(screen.getByText('The file is damaged.')).toBeVisible();
    expect(screen.queryAllByRole('button')).toHaveLength(buttons);
  });
});
