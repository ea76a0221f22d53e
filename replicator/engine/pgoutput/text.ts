// A BOM is part of the value, and bytes that are not UTF-8 must not become U+FFFD in silence.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\uFFFD';

/**
 * The UTF-8 text of `bytes[start..end)`; throws a TypeError when it is not UTF-8 (a SQL_ASCII database
 * stores anything). Decoding is most of the cost of a row: Buffer's own decoder takes 50 ns a value, a
 * TextDecoder 80, and one to four digits 6 to 13 without leaving JavaScript.
 */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 4) {
    const short = shortAscii(bytes, start, end);
    if (short !== null) return short;
  }
  if (!(bytes instanceof Buffer)) return strict.decode(bytes.subarray(start, end));
  const text = bytes.toString('utf8', start, end);
  return text.includes(REPLACEMENT) ? strict.decode(bytes.subarray(start, end)) : text;
}

function shortAscii(bytes: Uint8Array, start: number, end: number): string | null {
  const a = start < end ? (bytes[start] ?? 0) : 0;
  const b = start + 1 < end ? (bytes[start + 1] ?? 0) : 0;
  const c = start + 2 < end ? (bytes[start + 2] ?? 0) : 0;
  const d = start + 3 < end ? (bytes[start + 3] ?? 0) : 0;
  if ((a | b | c | d) > 0x7f) return null;
  switch (end - start) {
    case 0:
      return '';
    case 1:
      return String.fromCharCode(a);
    case 2:
      return String.fromCharCode(a, b);
    case 3:
      return String.fromCharCode(a, b, c);
    default:
      return String.fromCharCode(a, b, c, d);
  }
}
