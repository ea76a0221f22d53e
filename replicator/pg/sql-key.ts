// A composite RowKey separates its parts by U+0000, which PostgreSQL's text cannot hold. U+0001 can
// occur in a key, so it escapes itself too (records.pg.test.ts, "composite keys").
const SEPARATOR = '\u0000';
const ESCAPE = '\u0001';
const ESCAPED_SEPARATOR = '\u0001\u0001';
const ESCAPED_ESCAPE = '\u0001\u0002';

/** A RowKey as text that a column of ours can hold; usually the key itself. */
export function encodeKey(key: string): string {
  return key.replaceAll(ESCAPE, ESCAPED_ESCAPE).replaceAll(SEPARATOR, ESCAPED_SEPARATOR);
}

export function decodeKey(text: string): string {
  let key = '';
  let from = 0;
  for (;;) {
    const at = text.indexOf(ESCAPE, from);
    if (at < 0) return key + text.slice(from);
    const separator = text.startsWith(ESCAPED_SEPARATOR, at);
    key += text.slice(from, at) + (separator ? SEPARATOR : ESCAPE);
    from = at + 2;
  }
}
