/**
 * Delta debugging (ddmin): the list with as much taken out as can be while `fails` still says so. Each
 * single item that is left is needed, unless the caller ran out of patience.
 */
export async function minimised<Item>(
  items: readonly Item[],
  fails: (kept: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  let kept = items;
  let parts = 2;
  if (kept.length > 0 && (await fails([]))) return [];
  while (kept.length > 1) {
    const size = Math.ceil(kept.length / parts);
    const smaller = await firstThatFails(kept, size, fails);
    if (smaller !== null) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) return kept;
    else parts = Math.min(kept.length, parts * 2);
  }
  return kept;
}

/** Without one part each. */
async function firstThatFails<Item>(
  kept: readonly Item[],
  size: number,
  fails: (kept: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[] | null> {
  for (let from = 0; from < kept.length; from += size) {
    const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
    if (rest.length > 0 && (await fails(rest))) return rest;
  }
  return null;
}
