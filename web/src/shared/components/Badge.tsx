import { type ReactNode } from 'react';

import './badge.css';

interface Props {
  tone?: 'neutral' | 'accent' | 'danger';
  children: ReactNode;
}

export function Badge({ tone = 'neutral', children }: Props) {
  return <span className={`badge badge-${tone}`}>{children}</span>;
}
