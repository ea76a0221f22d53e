/** A jsonb value in parts: what is no object or array stays the text that PostgreSQL printed. */
export type JsonTree =
  | { readonly kind: 'scalar'; readonly text: string }
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, JsonTree> }
  | { readonly kind: 'array'; readonly items: readonly JsonTree[] };

/** Numbers keep their digits: JSON.parse would round them. The text is PostgreSQL's, hence well formed. */
export function parseJson(text: string): JsonTree {
  const reader: Reader = { text, at: 0 };
  return readValue(reader);
}

/** As PostgreSQL prints jsonb. */
export function formatJson(tree: JsonTree): string {
  switch (tree.kind) {
    case 'scalar':
      return tree.text;
    case 'array':
      return `[${tree.items.map(formatJson).join(', ')}]`;
    default: {
      const members = [...tree.members].toSorted(([left], [right]) => compareKeys(left, right));
      return `{${members.map(([key, value]) => `${JSON.stringify(key)}: ${formatJson(value)}`).join(', ')}}`;
    }
  }
}

const encoder = new TextEncoder();

/** jsonb keeps shorter keys first, then by bytes. */
function compareKeys(left: string, right: string): number {
  const [a, b] = [encoder.encode(left), encoder.encode(right)];
  if (a.length !== b.length) return a.length - b.length;
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

interface Reader {
  readonly text: string;
  at: number;
}

const SCALAR_END = /[\s,\]}]/;

function readValue(reader: Reader): JsonTree {
  skipSpace(reader);
  const { text } = reader;
  switch (text[reader.at]) {
    case '{':
      return readObject(reader);
    case '[':
      return readArray(reader);
    case '"':
      return { kind: 'scalar', text: readString(reader) };
    default: {
      const start = reader.at;
      while (reader.at < text.length && !SCALAR_END.test(text[reader.at] ?? '')) reader.at++;
      return { kind: 'scalar', text: text.slice(start, reader.at) };
    }
  }
}

function readObject(reader: Reader): JsonTree {
  const members = new Map<string, JsonTree>();
  reader.at++;
  while (next(reader, '}')) {
    const key = JSON.parse(readString(reader)) as string;
    skipSpace(reader);
    reader.at++;
    members.set(key, readValue(reader));
  }
  return { kind: 'object', members };
}

function readArray(reader: Reader): JsonTree {
  const items: JsonTree[] = [];
  reader.at++;
  while (next(reader, ']')) items.push(readValue(reader));
  return { kind: 'array', items };
}

/** Steps over a comma; false, and past it, when the end is here. */
function next(reader: Reader, end: string): boolean {
  skipSpace(reader);
  if (reader.text[reader.at] === ',') reader.at++;
  skipSpace(reader);
  const over = reader.at >= reader.text.length || reader.text[reader.at] === end;
  if (over) reader.at++;
  return !over;
}

function readString(reader: Reader): string {
  const { text } = reader;
  const start = reader.at++;
  while (reader.at < text.length && text[reader.at] !== '"') {
    reader.at += text[reader.at] === '\\' ? 2 : 1;
  }
  return text.slice(start, ++reader.at);
}

function skipSpace(reader: Reader): void {
  while (/\s/.test(reader.text[reader.at] ?? '')) reader.at++;
}
