import { Navigate, Outlet, useLocation } from 'react-router';

import { locationStateSchema } from '@/app/location-state';
import { useMe } from '@/features/auth/api/get-me';
import { SecondFactorDuePage } from '@/features/auth/components/SecondFactorDuePage';
import { isFactorDue } from '@/features/auth/is-factor-due';
import { useAuth } from '@/shared/auth/use-auth';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Page } from '@/shared/components/Page';

const HOME = '/media';

/** Lets in who is signed in; takes the others to sign-in, and back afterwards. */
export function RequireSession() {
  const { tokens } = useAuth();
  const { pathname, search } = useLocation();
  if (tokens === null) return <Navigate to="/sign-in" state={{ from: pathname + search }} replace />;
  return <Outlet />;
}

/** Takes who is signed in away from the sign-in page. */
export function RequireSignedOut() {
  const { tokens } = useAuth();
  const { from } = locationStateSchema.parse(useLocation().state);
  if (tokens !== null) return <Navigate to={from ?? HOME} replace />;
  return <Outlet />;
}

/** Leads whose account must have a second factor to it. The server is what keeps them out. */
export function RequireSecondFactor() {
  const me = useMe();
  return isFactorDue(me.data) ? <SecondFactorDuePage /> : <Outlet />;
}

const WHO = { admin: 'administrators', auditor: 'auditors' } as const;

/** Spares others a page of refusals. The server is what keeps them out. */
export function RequireRole({ of: role, title }: { of: keyof typeof WHO; title: string }) {
  const me = useMe();
  if (me.error) return <ErrorAlert error={me.error} />;
  if (me.data === undefined) return <p aria-live="polite">Loading…</p>;
  if (me.data.roles.includes(role)) return <Outlet />;
  return (
    <Page title={title}>
      <Alert>This page is for {WHO[role]}. An administrator can give you that role.</Alert>
    </Page>
  );
}
