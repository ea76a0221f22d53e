import type { ServerTime } from '#sim/pg/server-time.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { LockWait } from '#sim/pg/wait.ts';

interface Waiter {
  readonly backend: object;
  readonly wait: LockWait;
  readonly resume: (error: SqlError | null) => void;
  readonly cancelTimers: () => void;
  woken: boolean;
}

export interface LockWaitOptions {
  readonly time: ServerTime;
  readonly deadlockTimeoutUs: number;
  /** How long a process takes to wake up. */
  readonly wakeUs: () => number;
  readonly deadlocked: () => void;
}

/** Everybody who waits for a lock, first come first served per lock, and who is in a circle of them. */
export class LockWaits {
  readonly #options: LockWaitOptions;
  #waiters: Waiter[] = [];

  constructor(options: LockWaitOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#waiters.length;
  }

  /** `resume` is called once: the lock may be free (look again), or an error ends the statement. */
  wait(
    backend: object,
    wait: LockWait,
    lockTimeoutUs: number,
    resume: (error: SqlError | null) => void,
  ): void {
    const { time, deadlockTimeoutUs } = this.#options;
    const fail = (error: () => SqlError | null): void => {
      if (waiter.woken) return;
      const why = error();
      if (why === null) return;
      this.#leave(waiter);
      resume(why);
      this.wake();
    };
    const cancels = [time.after(deadlockTimeoutUs, () => fail(() => this.#checkDeadlock(waiter)))];
    if (lockTimeoutUs > 0) cancels.push(time.after(lockTimeoutUs, () => fail(lockTimeout)));
    const cancelTimers = (): void => {
      for (const cancel of cancels) cancel();
    };
    const waiter: Waiter = { backend, wait, resume, cancelTimers, woken: false };
    this.#waiters.push(waiter);
  }

  /** Who asks for this now has to queue behind those who wait for it already. */
  hasOthers(backend: object, target: object, mode: number, wait: LockWait['conflicts']): boolean {
    for (const other of this.#waiters) {
      if (other.wait.target !== target || other.backend === backend) continue;
      if (wait(other.wait.mode, mode)) return true;
    }
    return false;
  }

  /** Something was let go: whoever need not wait any longer looks again, the earliest first. */
  wake(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters) {
      if (waiter.woken || this.#blockers(waiter).length > 0) continue;
      waiter.woken = true;
      waiter.cancelTimers();
      this.#options.time.after(this.#options.wakeUs(), () => {
        this.#leave(waiter);
        waiter.resume(null);
        // It may not have taken what it waited for.
        this.wake();
      });
    }
  }

  /** The server died, or this one session did. */
  drop(backend: object | null): void {
    for (const waiter of this.#waiters.slice()) {
      if (backend === null || waiter.backend === backend) this.#leave(waiter);
    }
  }

  #blockers(waiter: Waiter): readonly object[] {
    const blockers = [...waiter.wait.holders()];
    const { target, mode, conflicts } = waiter.wait;
    for (const other of this.#waiters) {
      if (other === waiter) break;
      if (other.wait.target === target && conflicts(other.wait.mode, mode)) {
        blockers.push(other.backend);
      }
    }
    return blockers;
  }

  // PostgreSQL looks once per wait, after deadlock_timeout, and the one who looks gives way.
  #checkDeadlock(waiter: Waiter): SqlError | null {
    const byBackend = new Map(this.#waiters.map((each) => [each.backend, each]));
    const seen = new Set<object>();
    const open: object[] = [...this.#blockers(waiter)];
    for (let backend = open.pop(); backend !== undefined; backend = open.pop()) {
      if (backend === waiter.backend) {
        this.#options.deadlocked();
        return new SqlError('40P01', 'deadlock detected');
      }
      if (seen.has(backend)) continue;
      seen.add(backend);
      const next = byBackend.get(backend);
      if (next !== undefined && !next.woken) open.push(...this.#blockers(next));
    }
    return null;
  }

  #leave(waiter: Waiter): void {
    waiter.cancelTimers();
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }
}

function lockTimeout(): SqlError {
  return new SqlError('55P03', 'canceling statement due to lock timeout');
}
