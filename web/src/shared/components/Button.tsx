import { type ComponentProps } from 'react';

import './button.css';

interface Props extends Omit<ComponentProps<'button'>, 'className'> {
  look?: 'primary' | 'plain' | 'danger' | 'quiet';
  /** Work is under way: the button stays focused and readable, but does nothing. */
  busy?: boolean;
}

/** A button. `type` is "button" unless said otherwise, so that none sends a form by accident. */
export function Button({ look = 'plain', busy = false, type = 'button', onClick, ...rest }: Props) {
  return (
    <button
      {...rest}
      type={type}
      className={`button button-${look}`}
      aria-disabled={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.(event);
      }}
    />
  );
}
