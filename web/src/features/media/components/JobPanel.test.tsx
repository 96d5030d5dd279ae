import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { JobPanel } from '@/features/media/components/JobPanel';
import { type Job, type Preset } from '@/shared/api/types';
import { tokenStore } from '@/shared/auth/token-store';
import { empty, eventStream, json, problem, serve } from '@/testing/fake-server';
import { renderPage } from '@/testing/render-page';
import { job, media, tokens } from '@/testing/samples';

function show(known?: Job, preset: Preset = 'poster') {
  renderPage(
    <JobPanel media={media()} preset={preset} job={known}>
      {({ outputs }) => <p>made {outputs.length}</p>}
    </JobPanel>,
  );
}

const STREAM = 'GET /v1/jobs/j1/events';

describe('JobPanel', () => {
  beforeEach(() => {
    tokenStore.signIn(tokens());
  });

  it('is told how the job goes on, with the token in a header, until it has ended', async () => {
    const stream = eventStream();
    const log = serve({ [STREAM]: () => stream.response });
    show(job());
    stream.send('state', job({ state: 'running' }));
    stream.send('progress', { progress: 0.428, attempt: 1 });
    expect(await screen.findByText('42 %')).toBeVisible();
    expect(screen.getByRole('progressbar')).toHaveValue(0.428);
    stream.send('state', job({ state: 'succeeded' }));
    expect(await screen.findByText('made 0')).toBeVisible();
    expect(screen.getByRole('status')).toHaveTextContent('Done');
    expect(log.map(({ url, headers }) => [url, headers.get('Authorization')])).toEqual([
      ['/v1/jobs/j1/events', 'Bearer access-1'],
    ]);
  });

  it('asks where nothing is told', async () => {
    const states: Job['state'][] = ['running', 'succeeded'];
    serve({
      'GET /v1/jobs/j1': () => json(200, job({ state: states.shift() ?? 'failed' })),
      [STREAM]: () => problem(404, 'not-found'),
    });
    show(job());
    expect(await screen.findByText('made 0')).toBeVisible();
  });

  it('says when the server can neither tell nor be asked', async () => {
    const refuse = () => problem(404, 'not-found');
    serve({ 'GET /v1/jobs/j1': refuse, [STREAM]: refuse });
    show(job());
    expect(await screen.findByText('It is not-found.')).toBeVisible();
  });

  it('does not ask for one that has ended', async () => {
    const log = serve({});
    show(job({ state: 'succeeded' }));
    expect(await screen.findByText('made 0')).toBeVisible();
    expect(log).toEqual([]);
  });

  it('starts a job with its preset', async () => {
    const log = serve({
      'POST /v1/media/m1/jobs': () => json(202, job({ preset: 'hls', state: 'succeeded' })),
    });
    show(undefined, 'hls');
    await userEvent.click(screen.getByRole('button', { name: 'Make stream: film.mp4' }));
    expect(log[0]?.body).toEqual({ preset: 'hls' });
    expect(await screen.findByText('made 0')).toBeVisible();
  });

  it('takes a poster where it is told to, and another one elsewhere', async () => {
    const log = serve({ 'POST /v1/media/m1/jobs': () => json(202, job({ id: 'j2', state: 'succeeded' })) });
    show(job({ state: 'succeeded' }));
    const field = screen.getByLabelText('At second');
    await userEvent.type(field, 'x');
    expect(field).toHaveAccessibleDescription(/for example 2.5/);
    await userEvent.click(screen.getByRole('button', { name: 'Make another: film.mp4' }));
    expect(log).toEqual([]);
    await userEvent.clear(field);
    await userEvent.type(field, '2.5{Enter}');
    await waitFor(() => {
      expect(log.map(({ body }) => body)).toEqual([{ preset: 'poster', options: { seek_ms: 2500 } }]);
    });
  });

  it('cancels a job and shows that it is', async () => {
    const stream = eventStream();
    serve({
      [STREAM]: () => stream.response,
      'DELETE /v1/jobs/j1': () => {
        stream.send('state', job({ state: 'cancelled' }));
        return empty();
      },
    });
    show(job());
    await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
    expect(await screen.findByText('Cancelled', { selector: '.badge' })).toBeVisible();
  });

  it('says why a job failed, and tries again', async () => {
    const error = { code: 'corrupt_input', detail: 'The file is damaged', retryable: false };
    const log = serve({ 'POST /v1/media/m1/jobs': () => json(202, job({ state: 'succeeded' })) });
    show(job({ state: 'failed', error }));
    expect(screen.getByText('The file is damaged (corrupt_input).')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Try again: film.mp4' }));
    expect(await screen.findByText('made 0')).toBeVisible();
    expect(log[0]?.body).toEqual({ preset: 'poster' });
  });
});
