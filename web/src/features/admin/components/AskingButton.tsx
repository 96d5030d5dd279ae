import { type ReactNode, useState } from 'react';

import { Button } from '@/shared/components/Button';
import { ConfirmDialog } from '@/shared/components/ConfirmDialog';

interface Props {
  label: string;
  /** Read out instead of the label: what the button acts on belongs to it. */
  name: string;
  title: string;
  busy: boolean;
  onConfirm: () => void;
  children: ReactNode;
}

/** A button for what cannot be undone: it asks first. What comes of it is told where the button stands. */
export function AskingButton({ label, name, title, busy, onConfirm, children }: Props) {
  const [asking, setAsking] = useState(false);
  const close = () => {
    setAsking(false);
  };
  return (
    <>
      <Button
        look="danger"
        busy={busy}
        aria-label={name}
        onClick={() => {
          setAsking(true);
        }}
      >
        {label}
      </Button>
      {asking && (
        <ConfirmDialog
          title={title}
          confirmLabel={label}
          busy={false}
          error={null}
          onClose={close}
          onConfirm={() => {
            close();
            onConfirm();
          }}
        >
          {children}
        </ConfirmDialog>
      )}
    </>
  );
}
