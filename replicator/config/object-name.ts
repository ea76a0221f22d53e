const PART = /"((?:[^"]|"")*)"|([^".]+)/y;

/**
 * The parts of `schema.table.column`. As in SQL, a part in double quotes may hold dots; unlike SQL,
 * unquoted parts keep their case, because nobody writes a configuration file thinking of folding.
 * Null when it is not such a name.
 */
export function nameParts(text: string): readonly string[] | null {
  const parts: string[] = [];
  let position = 0;
  while (position <= text.length) {
    PART.lastIndex = position;
    const match = PART.exec(text);
    if (match === null) return null;
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    position = PART.lastIndex;
    if (position === text.length) return parts;
    if (text[position] !== '.') return null;
    position += 1;
  }
  return null;
}

/** The name as `nameParts` reads it back. */
export function formatName(parts: readonly string[]): string {
  return parts
    .map((part) => (/[".]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part))
    .join('.');
}

/** Whether `schema.table` is covered by a pattern such as `public.*` or `shop.order_?`. */
export function matchesPattern(pattern: string, schema: string, table: string): boolean {
  const parts = nameParts(pattern);
  if (parts === null || parts.length !== 2) return false;
  return matches(parts[0] ?? '', schema) && matches(parts[1] ?? '', table);
}

function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'su').test(name);
}
