import { NavLink, Outlet } from 'react-router';

import { useMe } from '@/features/auth/api/get-me';
import { useSignOut } from '@/features/auth/api/sign-out';
import { DeletionNotice } from '@/features/auth/components/DeletionNotice';
import { ProofDialog } from '@/features/auth/components/ProofDialog';
import { Brand } from '@/shared/components/Brand';
import { Button } from '@/shared/components/Button';

import './app-shell.css';

/** The frame around every page of somebody who is signed in. */
export function AppShell() {
  const me = useMe();
  const signOut = useSignOut();
  const has = (role: string) => me.data?.roles.includes(role) ?? false;
  return (
    <>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <header className="app-header">
        <div className="app-bar">
          <Brand />
          <nav aria-label="Main">
            <NavLink to="/media">Media</NavLink>
            <NavLink to="/sessions">Sessions</NavLink>
            <NavLink to="/account">Account</NavLink>
            {has('auditor') && <NavLink to="/audit">Audit log</NavLink>}
            {has('admin') && <NavLink to="/admin">Administration</NavLink>}
          </nav>
          <div className="app-account">
            <span className="app-email">{me.data?.email}</span>
            <Button
              busy={signOut.isPending}
              onClick={() => {
                signOut.mutate();
              }}
            >
              Sign out
            </Button>
          </div>
        </div>
      </header>
      <DeletionNotice user={me.data} />
      <main id="main" className="app-main">
        <Outlet />
      </main>
      <ProofDialog user={me.data} />
    </>
  );
}
