/**
 * Where a part of a value is. An object's parts are named by the JSON array of their keys, `["a","b"]`; a
 * set's by their element, which is never inside another; the whole value by the empty text.
 */
export const WHOLE_VALUE = '';

export function pathOf(keys: readonly string[]): string {
  return keys.length === 0 ? WHOLE_VALUE : JSON.stringify(keys);
}

/** True when `inner` is `outer` or a part of it. */
export function isWithin(inner: string, outer: string): boolean {
  if (inner === outer || outer === WHOLE_VALUE) return true;
  return outer.startsWith('[') && inner.startsWith(`${outer.slice(0, -1)},`);
}
