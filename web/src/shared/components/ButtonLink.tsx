import { type ReactNode } from 'react';
import { Link } from 'react-router';

import './button.css';

interface Props {
  to: string;
  disabled?: boolean;
  children: ReactNode;
}

/** A link that looks like a button. Disabled, it is no link at all, but keeps its place. */
export function ButtonLink({ to, disabled = false, children }: Props) {
  if (disabled) {
    return (
      <span className="button button-plain" aria-disabled="true">
        {children}
      </span>
    );
  }
  return (
    <Link className="button button-plain" to={to}>
      {children}
    </Link>
  );
}
