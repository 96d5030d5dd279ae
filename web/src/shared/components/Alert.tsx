import { type ReactNode } from 'react';

import { describeError } from '@/shared/api/problem';

import './alert.css';

interface Props {
  tone?: 'info' | 'danger';
  children: ReactNode;
}

/** A message that is read out as soon as it appears. */
export function Alert({ tone = 'info', children }: Props) {
  return (
    <div className={`alert alert-${tone}`} role={tone === 'danger' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

/** What went wrong, in words; nothing while nothing did. */
export function ErrorAlert({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  return <Alert tone="danger">{describeError(error)}</Alert>;
}
