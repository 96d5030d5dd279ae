import { type ReactNode } from 'react';

import { Brand } from '@/shared/components/Brand';
import { Page } from '@/shared/components/Page';

import './auth-card.css';

/** The frame of the pages before sign-in. */
export function AuthCard({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="auth">
      <Brand />
      <div className="auth-card">
        <Page title={title}>{children}</Page>
      </div>
    </main>
  );
}
