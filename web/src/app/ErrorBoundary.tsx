import { Component, type ReactNode } from 'react';

import { Alert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

interface Props {
  children: ReactNode;
}

/** A fault of ours while rendering: says so and offers the one thing that helps, instead of an empty page. */
export class ErrorBoundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="app-main">
        <Alert tone="danger">This page has failed. Nothing that you stored is lost.</Alert>
        <p>
          <Button
            onClick={() => {
              window.location.reload();
            }}
          >
            Load it again
          </Button>
        </p>
      </main>
    );
  }
}
