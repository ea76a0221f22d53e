import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import type { ValueNode } from 'graphql';

/**
 * Scalars carry PostgreSQL's text. An input becomes the text that goes to the server, which has the last
 * word on what is valid; an output is never touched (see gateway/execution/row-json.ts).
 */

const INT8_MAX = 2n ** 63n - 1n;
const INT8_MIN = -(2n ** 63n);

interface Rule {
  readonly description: string;
  /** The text for the server, or null when the value cannot be meant. */
  readonly read: (value: unknown) => string | null;
  readonly url?: string;
}

function matching(pattern: RegExp): Rule['read'] {
  return (value) => (typeof value === 'string' && pattern.test(value) ? value : null);
}

function numberText(value: unknown): string | null {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null;
  return typeof value === 'string' || typeof value === 'bigint' ? String(value) : null;
}

function bigInt(value: unknown): string | null {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return null;
  const text = numberText(value);
  if (text === null || !/^[+-]?\d{1,19}$/.test(text)) return null;
  const number = BigInt(text.replace('+', ''));
  return number >= INT8_MIN && number <= INT8_MAX ? number.toString() : null;
}

function decimal(value: unknown): string | null {
  const text = numberText(value);
  return text !== null && /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|NaN|-?Infinity)$/i.test(text)
    ? text
    : null;
}

function bytes(value: unknown): string | null {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return null;
  return value.length % 4 === 0 ? `\\x${Buffer.from(value, 'base64').toString('hex')}` : null;
}

const SPEC = 'https://datatracker.ietf.org/doc/html/rfc';
const DAY = String.raw`\d{4,6}-\d\d-\d\d`;
const CLOCK = String.raw`\d\d:\d\d(:\d\d(\.\d{1,6})?)?`;
const ZONE = String.raw`(Z|z|[+-]\d\d(:?\d\d(:?\d\d)?)?)`;

const RULES: Readonly<Record<string, Rule>> = {
  BigInt: {
    description: 'A whole number of 64 bits, as a text: JSON numbers lose digits.',
    read: bigInt,
  },
  Decimal: { description: 'An exact decimal number, as a text.', read: decimal },
  UUID: {
    description: 'A universally unique identifier.',
    read: matching(/^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i),
    url: `${SPEC}9562`,
  },
  DateTime: {
    description: 'A moment: ISO 8601 with an offset, with microseconds.',
    read: matching(new RegExp(`^(${DAY}[Tt ]${CLOCK} ?${ZONE}( BC)?|-?infinity)$`)),
    url: `${SPEC}3339`,
  },
  LocalDateTime: {
    description: 'A date and a time of no particular zone: ISO 8601 without an offset.',
    read: matching(new RegExp(`^(${DAY}[Tt ]${CLOCK}( BC)?|-?infinity)$`)),
  },
  Date: {
    description: 'A day: 2026-01-31.',
    read: matching(new RegExp(`^(${DAY}( BC)?|-?infinity)$`)),
  },
  Time: { description: 'A time of day: 12:34:56.789.', read: matching(new RegExp(`^${CLOCK}$`)) },
  TimeTz: {
    description: 'A time of day with an offset.',
    read: matching(new RegExp(`^${CLOCK} ?${ZONE}$`)),
  },
  Interval: {
    description: 'A span of time: ISO 8601, such as P1DT2H. What PostgreSQL reads is accepted too.',
    read: matching(/^[\w\s:.,+@-]{1,200}$/),
  },
  Bytes: { description: 'Binary data in base64.', read: bytes, url: `${SPEC}4648` },
  Cursor: {
    description: 'A place in an ordered list; opaque.',
    read: matching(/^[A-Za-z0-9_-]{1,8192}$/),
  },
};

/** The scalar of this name; for a type of PostgreSQL that GraphQL has no word for, its text form. */
export function scalar(name: string): GraphQLScalarType {
  if (name === 'JSON') return JSON_SCALAR;
  const rule = RULES[name] ?? {
    description: `PostgreSQL's ${name} in its text form.`,
    read: (value: unknown): string | null => numberText(value),
  };
  const read = (value: unknown): string => {
    const text = rule.read(value);
    if (text !== null) return text;
    const shown = typeof value === 'object' ? 'this' : JSON.stringify(value);
    throw new GraphQLError(`${name} cannot represent ${shown}. ${rule.description}`);
  };
  return new GraphQLScalarType<string, unknown>({
    name,
    description: rule.description,
    ...(rule.url === undefined ? {} : { specifiedByURL: rule.url }),
    coerceInputValue: read,
    coerceInputLiteral: (node) => read(literalText(node)),
    coerceOutputValue: (value) => value,
  });
}

function literalText(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.INT:
    case Kind.FLOAT:
      return node.value;
    default:
      return null;
  }
}

const JSON_SCALAR = new GraphQLScalarType<string, unknown>({
  name: 'JSON',
  description: 'Any JSON value, as it is.',
  coerceInputValue: (value) => JSON.stringify(value),
  coerceInputLiteral: (node) => jsonText(node),
  coerceOutputValue: (value) => value,
});

/** Numbers keep their digits: they are never JavaScript numbers on the way. */
function jsonText(node: ValueNode): string {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
      return JSON.stringify(node.value);
    case Kind.INT:
    case Kind.FLOAT:
      return node.value;
    case Kind.BOOLEAN:
      return String(node.value);
    case Kind.NULL:
      return 'null';
    case Kind.LIST:
      return `[${node.values.map(jsonText).join(',')}]`;
    case Kind.OBJECT:
      return `{${node.fields
        .map(({ name, value }) => `${JSON.stringify(name.value)}:${jsonText(value)}`)
        .join(',')}}`;
    case Kind.VARIABLE:
      throw new GraphQLError(
        'Variables inside of a JSON literal are not supported; pass it whole.',
      );
    default:
      return node satisfies never;
  }
}
