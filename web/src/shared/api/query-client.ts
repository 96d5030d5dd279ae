import { QueryClient } from '@tanstack/react-query';

import { NetworkError, ProblemError } from '@/shared/api/problem';

const MAX_RETRIES = 2;

/** Reads are repeated when that can help: no answer, or a 503 that says when to come back. Writes never are. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (failures, error) => failures < MAX_RETRIES && isPassing(error),
        retryDelay: (failures, error) => waitMs(failures, error),
      },
      mutations: { retry: false, networkMode: 'always' },
    },
  });
}

/** Forgets everything that was read for one person; what is public (`meta.isPublic`) stays. */
export function forgetPerson(queryClient: QueryClient): void {
  queryClient.removeQueries({ predicate: ({ meta }) => meta?.isPublic !== true });
}

function isPassing(error: Error): boolean {
  return error instanceof NetworkError || (error instanceof ProblemError && error.status === 503);
}

function waitMs(failures: number, error: Error): number {
  const asked = error instanceof ProblemError ? error.retryAfterSeconds : null;
  return asked === null ? 1000 * 2 ** failures : asked * 1000;
}
