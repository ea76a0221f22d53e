import { base64UrlSql } from '#gateway/compile/cursor.ts';
import type { TableModel } from '#gateway/model/schema-model.ts';
import { quoteText } from '#gateway/pg/sql-text.ts';

/** The type and the key that a node id holds; null for what is none. */
export function decodeNodeId(id: string): { type: string; key: readonly string[] } | null {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(id, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || parts.length < 2) return null;
  const [type, ...key] = parts as readonly unknown[];
  const texts = key.filter((part) => typeof part === 'string');
  return typeof type === 'string' && texts.length === key.length ? { type, key: texts } : null;
}

export function nodeTypeOf(id: string): string | undefined {
  const decoded = decodeNodeId(id);
  return decoded === null ? undefined : `${decoded.type}/${decoded.key.length}`;
}

export function encodeNodeId(type: string, key: readonly string[]): string {
  const parts = [type, ...key].map((part) => JSON.stringify(part));
  return Buffer.from(`[${parts.join(', ')}]`, 'utf8').toString('base64url');
}

export function nodeIdSql(table: TableModel, ref: (column: string) => string): string {
  const key = table.key.map((column) => `${ref(column.column)}::text`);
  return base64UrlSql(`json_build_array(${[quoteText(table.typeName), ...key].join(', ')})`);
}
