/** A broken assumption of ours, never a user's mistake: the process must not go on with it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws unless `condition`; the message is built only when needed. */
export function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new AssertionError(message());
}

/** The value of an index or lookup that cannot miss. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`missing: ${what}`);
  return value;
}

/** Closes a switch over a union: a new member is a compile error here. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
