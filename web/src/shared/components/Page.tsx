import { type ReactNode, useLayoutEffect, useRef } from 'react';

import './page.css';

interface Props {
  title: string;
  /** What can be done on the whole page, beside the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: names the document and takes the focus to its title, as a page load would. */
export function Page({ title, actions, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // A layout effect: the title has the focus as soon as it can be seen.
  useLayoutEffect(() => {
    heading.current?.focus();
  }, []);
  return (
    <>
      <title>{`${title} · Gatelog`}</title>
      <div className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions}
      </div>
      {children}
    </>
  );
}
