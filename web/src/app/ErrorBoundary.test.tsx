import { render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import { ErrorBoundary } from '@/app/ErrorBoundary';

function Broken(): never {
  throw new Error('the inside');
}

it('says that the page failed, and nothing of its inside', () => {
  vi.spyOn(console, 'error').mockReturnValue();
  render(
    <ErrorBoundary>
      <Broken />
    </ErrorBoundary>,
  );
  expect(screen.getByRole('alert')).toHaveTextContent('This page has failed.');
  expect(document.body).not.toHaveTextContent('the inside');
});
