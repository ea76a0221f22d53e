/** How long a flight may be unanswered before somebody looks what it waits for. */
const FIRST_LOOK_MS = 1000;

/**
 * Bounds lock waits by our own monotonic clock. PostgreSQL measures lock_timeout and deadlock_timeout by
 * the wall clock (timeout.c): set back by minutes while apply waits, neither fires for minutes, and the
 * application waits with it (hazards T14; clock.e2e.test.ts).
 */
export async function watchingLocks<T>(cancel: LockWaitCancel, flight: Promise<T>): Promise<T> {
  let asking = false;
  const look = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    // A look that fails tells nothing: the connection's own errors will.
    await cancel().catch(() => undefined);
    asking = false;
  };
  const timer = setInterval(() => void look(), FIRST_LOOK_MS);
  try {
    return await flight;
  } finally {
    clearInterval(timer);
  }
}

/** Cancels the session's statement if, and only if, it waits for a lock. */
export type LockWaitCancel = () => Promise<void>;
