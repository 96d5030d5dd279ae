/**
 * Where calls wait while the person proves once more who they are. However many wait, one dialog asks; what it
 * learns settles all of them.
 */
export class ProofDesk {
  readonly #listeners = new Set<() => void>();
  #isStaffed = false;
  #waiting: ((isProved: boolean) => void)[] = [];

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly isAsked = (): boolean => this.#waiting.length > 0;

  /** Resolves with whether the person proved it; at once with "no" where no dialog is there to ask. */
  ask(): Promise<boolean> {
    if (!this.#isStaffed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#tell();
    });
  }

  /** The dialog is there from now on, until the function that this returns is called. */
  staff(): () => void {
    this.#isStaffed = true;
    return () => {
      this.#isStaffed = false;
      this.settle(false);
    };
  }

  settle(isProved: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(isProved);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const proofDesk = new ProofDesk();
