/** What a running statement may wait for. It is a generator: without waiting it runs to its end in one go. */
export type Wait =
  | { readonly kind: 'delay'; readonly us: number }
  /** Until the WAL is on disk up to here. */
  | { readonly kind: 'flush'; readonly lsn: number }
  | LockWait;

export interface LockWait {
  readonly kind: 'lock';
  /** What is waited for; who came earlier for the same goes first. */
  readonly target: object;
  readonly mode: number;
  /** Whether two waiters of these modes keep each other out. */
  readonly conflicts: (left: number, right: number) => boolean;
  /** Backends that hold it. */
  readonly holders: () => readonly object[];
}

export type Step<Result> = Generator<Wait, Result, void>;
