/** A place in an ordered list: the order it belongs to, and the row's values in that order. */
export interface Cursor {
  readonly order: string;
  readonly values: readonly (string | null)[];
}

/** Null for what is no cursor of ours. */
export function decodeCursor(text: string): Cursor | null {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(parts)) return null;
  const [order, ...values] = parts as readonly unknown[];
  if (typeof order !== 'string') return null;
  const texts = values.filter((value) => value === null || typeof value === 'string');
  return texts.length === values.length ? { order, values: texts } : null;
}

/** As `cursorSql` makes it in the database, byte for byte. */
export function encodeCursor(order: string, values: readonly (string | null)[]): string {
  const parts = [order, ...values].map((value) => JSON.stringify(value));
  return Buffer.from(`[${parts.join(', ')}]`, 'utf8').toString('base64url');
}

export function base64UrlSql(json: string): string {
  return `translate(encode(convert_to(${json}::text, 'UTF8'), 'base64'), E'+/=\\n', '-_')`;
}
