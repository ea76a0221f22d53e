import { plural, singular } from '#gateway/naming/inflect.ts';

/**
 * Every name is a function of the object's own names and comments. It never changes because something
 * else was added: regions migrate at different moments, and clients hold on to names.
 */

/** `invoice_line` → `invoiceLine`; what GraphQL does not allow is left out. */
export function camel(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const joined = words
    .map((word, at) => (at === 0 ? lowerFirst(shout(word)) : upperFirst(shout(word))))
    .join('');
  const lead = /^_+/.exec(name)?.[0] ?? '';
  // Two underscores in front belong to GraphQL's own names.
  const text = `${lead === '' ? '' : '_'}${joined}`;
  return /^[A-Za-z_]/.test(text) ? text : `_${text}`;
}

export function pascal(name: string): string {
  return upperFirst(camel(name));
}

/** `USER_ID` is spelt as `user_id` is. */
function shout(word: string): string {
  return /^[A-Z0-9]+$/.test(word) ? word.toLowerCase() : word;
}

export function upperFirst(name: string): string {
  return name.replace(/^_*[a-z]/, (start) => start.toUpperCase());
}

export function lowerFirst(name: string): string {
  return name.replace(/^_*[A-Z]/, (start) => start.toLowerCase());
}

/** `CREATED_AT` of `created_at` and of `createdAt`. */
export function screaming(name: string): string {
  return camel(name)
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase();
}

/** Objects of schema `public` go without its name, all others carry theirs. */
export function qualified(schema: string, name: string): string {
  return schema === 'public' ? name : `${schema}_${name}`;
}

export function typeNameOf(schema: string, table: string): string {
  return upperFirst(singular(camel(qualified(schema, table))));
}

/** The plural field of a type: `InvoiceLine` → `invoiceLines`; where both are alike, `seriesAll`. */
export function pluralField(typeName: string): string {
  const one = lowerFirst(typeName);
  const many = plural(one);
  return many === one ? `${one}All` : many;
}

/** `author_id` → `author`; null where a column's name does not speak of what it points to. */
export function referenceBase(column: string): string | null {
  const [, snake, humped] = /^(.+)_(?:id|fk|uuid)$|^(.+[a-z0-9])I[dD]$/i.exec(column) ?? [];
  const base = snake ?? humped;
  return base === undefined || (snake === undefined && !/I[dD]$/.test(column)) ? null : camel(base);
}

/** The field that follows a foreign key: `author` by `author_id`, else `employeeByReportsTo`. */
export function forwardField(columns: readonly string[], targetType: string): string {
  const [only = ''] = columns;
  const base = columns.length === 1 ? referenceBase(only) : null;
  return base ?? `${lowerFirst(targetType)}By${columns.map(pascal).join('And')}`;
}

/** The field that comes back: `posts` where the column is named after the target, else `postsByEditor`. */
export function backwardField(
  columns: readonly string[],
  childType: string,
  targetType: string,
  single: 'one' | 'many',
): string {
  const field = single === 'one' ? lowerFirst(childType) : pluralField(childType);
  const [only = ''] = columns;
  const base = columns.length === 1 ? referenceBase(only) : null;
  if (base !== null && upperFirst(base) === targetType) return field;
  return `${field}By${base === null ? columns.map(pascal).join('And') : upperFirst(base)}`;
}

/** An enum label as GraphQL can spell it. */
export function enumValueName(label: string): string {
  const name = label
    .replace(/[-\s./:]+/g, '_')
    .replace(/[^A-Za-z0-9_]/g, (sign) => `x${sign.charCodeAt(0).toString(16)}`);
  const started = /^[A-Za-z_]/.test(name) ? name : `_${name}`;
  const plain = started.replace(/^__/, '_');
  return ['true', 'false', 'null', ''].includes(plain) ? `_${plain}` : plain;
}
