/** One thing looked at: what was found, and the SQL or setting that mends it. */
export interface Check {
  readonly id: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** Null where nothing needs mending. */
  readonly fix: string | null;
}

export function ok(id: string, found: string): Check {
  return { id, status: 'ok', found, fix: null };
}

/** Replication works, but something is worth a person's time. */
export function warn(id: string, found: string, fix: string): Check {
  return { id, status: 'warn', found, fix };
}

/** Replication would not start, would lose something, or would break the application. */
export function fail(id: string, found: string, fix: string): Check {
  return { id, status: 'fail', found, fix };
}
