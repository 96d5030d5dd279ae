import { type ReactNode, useId } from 'react';

import './account.css';

interface Props {
  title: string;
  tone?: 'plain' | 'danger';
  children: ReactNode;
}

/** One matter of the account, in a frame of its own. */
export function AccountSection({ title, tone = 'plain', children }: Props) {
  const id = useId();
  return (
    <section className={`account-section account-${tone}`} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}
