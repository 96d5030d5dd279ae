import '@testing-library/jest-dom/vitest';

import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

import { tokenStore } from '@/shared/auth/token-store';

// How long a thing may take to appear. Generous: it ends as soon as it does, also on a busy machine.
configure({ asyncUtilTimeout: 10_000 });

// jsdom knows <dialog>, but not its methods.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
};

afterEach(() => {
  cleanup();
  tokenStore.signOut(null);
});
