/** An array's element as text; null is SQL NULL. */
export type Element = string | null;

const SPACE = /[\t\n\v\f\r ]/;

/**
 * The elements of a one-dimensional array as PostgreSQL prints it; null for any other text: more
 * dimensions, or bounds that do not begin at 1.
 */
export function parseArray(text: string): readonly Element[] | null {
  if (!text.startsWith('{') || !text.endsWith('}')) return null;
  if (text === '{}') return [];
  const elements: Element[] = [];
  let at = 1;
  while (at < text.length) {
    let element = '';
    const quoted = text[at] === '"';
    if (quoted) {
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) return null;
        if (text[at] === '\\') at++;
        element += text[at] ?? '';
      }
      at++;
    } else {
      for (; text[at] !== ',' && at < text.length - 1; at++) {
        if (text[at] === '{' || text[at] === '}' || text[at] === '"') return null;
        if (text[at] === '\\') at++;
        element += text[at] ?? '';
      }
      if (element === '') return null;
    }
    elements.push(!quoted && element.toUpperCase() === 'NULL' ? null : element);
    if (at === text.length - 1) return elements;
    if (text[at] !== ',') return null;
    at++;
  }
  return null;
}

/** The same as PostgreSQL prints it. */
export function formatArray(elements: readonly Element[]): string {
  return `{${elements.map(formatElement).join(',')}}`;
}

function formatElement(element: Element): string {
  if (element === null) return 'NULL';
  const plain =
    element !== '' &&
    element.toUpperCase() !== 'NULL' &&
    !/[{}",\\]/.test(element) &&
    !SPACE.test(element);
  return plain ? element : `"${element.replaceAll(/["\\]/g, '\\$&')}"`;
}
