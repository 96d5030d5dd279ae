import { QueryClientProvider } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { BrowserRouter } from 'react-router';

import { AppRoutes } from '@/app/AppRoutes';
import { ErrorBoundary } from '@/app/ErrorBoundary';
import { forgetPerson, makeQueryClient } from '@/shared/api/query-client';
import { useAuth } from '@/shared/auth/use-auth';

/** The composition root. Whoever signs out leaves nothing behind in the cache. */
export function App() {
  const [queryClient] = useState(makeQueryClient);
  const isSignedIn = useAuth().tokens !== null;
  useEffect(() => {
    if (!isSignedIn) forgetPerson(queryClient);
  }, [isSignedIn, queryClient]);
  return (
    <QueryClientProvider client={queryClient}>
      <ErrorBoundary>
        <BrowserRouter>
          <AppRoutes />
        </BrowserRouter>
      </ErrorBoundary>
    </QueryClientProvider>
  );
}
