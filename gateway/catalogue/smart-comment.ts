/** What a COMMENT says to the gateway, and what is left of it for people. */
export interface SmartComment {
  /** By tag name; a tag without a value is `true`, a repeated one keeps every value. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
  readonly description: string | null;
}

const TAG = /^@(\w+)(?:[ \t]+(\S.*?))?[ \t]*$/;
const GRAPHQL_JSON = /@graphql\s*\((\{[\s\S]*\})\)/;

/**
 * Tags stand on lines of their own: `@name account`, `@omit update,delete`, `@deprecated use balance`.
 * `@graphql({"name": "account"})`, as pg_graphql has it, is understood as well. Anything else, also
 * `@everywrite counter`, is description or belongs to others.
 */
export function parseSmartComment(comment: string | null): SmartComment {
  if (comment === null) return { tags: new Map(), description: null };
  const tags = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    tags.set(name, [...(tags.get(name) ?? []), value]);
  };
  const [whole, json] = GRAPHQL_JSON.exec(comment) ?? [];
  for (const [name, value] of Object.entries(jsonTags(json))) add(name, value);
  const rest = whole === undefined ? comment : comment.replace(whole, '');
  const lines = rest.split('\n').filter((line) => {
    const [, name, value] = TAG.exec(line.trim()) ?? [];
    if (name === undefined) return true;
    if (name !== 'everywrite') add(name, value ?? '');
    return false;
  });
  const description = lines.join('\n').trim();
  return { tags, description: description === '' ? null : description };
}

const PG_GRAPHQL_NAMES: Readonly<Record<string, string>> = {
  name: 'name',
  description: 'description',
  primary_key_columns: 'primaryKey',
  local_name: 'foreignFieldName',
  foreign_name: 'fieldName',
};

function jsonTags(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return {};
  }
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(document as Readonly<Record<string, unknown>>)) {
    const name = PG_GRAPHQL_NAMES[key];
    if (name !== undefined) found[name] = Array.isArray(value) ? value.join(',') : String(value);
  }
  return found;
}

export function tagOf(comment: SmartComment, name: string): string | undefined {
  return comment.tags.get(name)?.[0];
}

/** Whether `@omit` names this action; a bare `@omit` names all of them. */
export function omits(comment: SmartComment, action: string): boolean {
  return (comment.tags.get('omit') ?? []).some((list) => {
    return list === '' || list.split(/[,\s]+/).includes(action);
  });
}
