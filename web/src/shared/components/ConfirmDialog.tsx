import { type ReactNode, useId, useLayoutEffect, useRef } from 'react';

import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

import './confirm-dialog.css';

interface Props {
  title: string;
  confirmLabel: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before what cannot be undone. Modal: the browser keeps the focus inside and gives it back afterwards. */
export function ConfirmDialog({ title, confirmLabel, busy, error, onConfirm, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // A layout effect: closing must come before the removal, or the focus is not given back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
      queueMicrotask(focusSomewhere);
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="confirm"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={titleId}>{title}</h2>
      <div>{children}</div>
      <ErrorAlert error={error} />
      <div className="confirm-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" busy={busy} onClick={onConfirm}>
          {confirmLabel}
        </Button>
      </div>
    </dialog>
  );
}

/** Where the button that asked is gone with what it ended, the focus goes to the page's title, not nowhere. */
function focusSomewhere(): void {
  if (document.activeElement !== document.body) return;
  document.querySelector('h1')?.focus();
}
