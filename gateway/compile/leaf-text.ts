/** A coerced scalar is a text, a number or a boolean; this is its text. */
export function leafText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}
