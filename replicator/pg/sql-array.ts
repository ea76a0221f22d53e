import type { PgText } from '#core/relation.ts';

// Letters are safe except in the word NULL, which an array literal reads as the null element.
const UNQUOTED = /^[0-9A-Za-z_.:+-]+$/;
const NULL_WORD = /^null$/i;
const ESCAPED = /["\\]/g;

/** The array literal of these elements, for a type whose elements are separated by commas. */
export function arrayLiteral(elements: readonly PgText[]): string {
  let literal = '{';
  let separator = '';
  for (const element of elements) {
    literal += separator + elementLiteral(element);
    separator = ',';
  }
  return `${literal}}`;
}

function elementLiteral(element: PgText): string {
  if (element === null) return 'NULL';
  if (UNQUOTED.test(element) && !NULL_WORD.test(element)) return element;
  return `"${element.replace(ESCAPED, String.raw`\$&`)}"`;
}
