import { addDecimals, isFiniteDecimal } from '#core/decimal.ts';
import { SqlError } from '#sim/pg/sql-error.ts';

/** A column's type: how a text gets in, when two values are equal, and what the wire calls it. */
export interface DataType {
  readonly name: string;
  readonly oid: number;
  readonly modifier: number;
  /** The value as PostgreSQL would print it; throws 22xxx. */
  input(text: string): string;
  /** Equal values give equal texts. */
  canonical(text: string): string;
}

const INTEGER = /^\s*[+-]?\d+\s*$/;
const VARIABLE_HEADER = 4;

const OIDS: Readonly<Record<string, number>> = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
};

const ALIASES: Readonly<Record<string, string>> = {
  smallint: 'int2',
  integer: 'int4',
  int: 'int4',
  bigint: 'int8',
  boolean: 'bool',
  char: 'bpchar',
  decimal: 'numeric',
};

const known = new Map<string, DataType>();

/** From `numeric(10,2)`, `varchar(5)`, `int`, … */
export function dataType(declared: string): DataType {
  const seen = known.get(declared);
  if (seen !== undefined) return seen;
  const match = /^(\w+)(?:\((\d+)(?:,\s*(\d+))?\))?$/.exec(declared);
  const [, word = '', first, second] = match ?? [];
  const name = ALIASES[word] ?? word;
  const oid = OIDS[name];
  if (oid === undefined) throw new Error(`SimPg does not know the type ${declared}`);
  const made = make(name, oid, first === undefined ? null : Number(first), Number(second ?? 0));
  known.set(declared, made);
  return made;
}

function make(name: string, oid: number, size: number | null, scale: number): DataType {
  switch (name) {
    case 'int2':
      return integerType(name, oid, 15n);
    case 'int4':
      return integerType(name, oid, 31n);
    case 'int8':
      return integerType(name, oid, 63n);
    case 'numeric':
      return numericType(oid, size, scale);
    case 'varchar':
    case 'bpchar':
      return boundedText(name, oid, name === 'bpchar' ? (size ?? 1) : size);
    case 'bool':
      return { name, oid, modifier: -1, input: readBoolean, canonical: same };
    case 'uuid':
      return { name, oid, modifier: -1, input: readUuid, canonical: same };
    default:
      return { name, oid, modifier: -1, input: same, canonical: same };
  }
}

function same(text: string): string {
  return text;
}

function integerType(name: string, oid: number, bits: bigint): DataType {
  const limit = 2n ** bits;
  const small = limit > 2n ** 53n ? Number.MAX_SAFE_INTEGER : Number(limit) - 1;
  return {
    name,
    oid,
    modifier: -1,
    canonical: same,
    input(text) {
      if (!INTEGER.test(text)) throw invalid(name, text);
      const near = Number(text);
      if (Math.abs(near) <= small) return String(near === 0 ? 0 : near);
      const exact = BigInt(text.trim().replace('+', ''));
      if (exact < -limit || exact >= limit) throw new SqlError('22003', `${name} out of range`);
      return exact.toString();
    },
  };
}

function numericType(oid: number, precision: number | null, scale: number): DataType {
  const modifier = precision === null ? -1 : precision * 65_536 + scale + VARIABLE_HEADER;
  return {
    name: 'numeric',
    oid,
    modifier,
    canonical: canonicalNumeric,
    input(text) {
      const plain = text
        .trim()
        .replace(/^\+/, '')
        .replace(/^(-?)0+(?=\d)/, '$1');
      if (!isFiniteDecimal(plain)) {
        if (/^(NaN|-?Infinity)$/.test(plain)) return plain;
        throw invalid('numeric', text);
      }
      if (precision === null) return plain;
      const rounded = toScale(plain, scale);
      if (digitsBefore(rounded) > precision - scale) {
        throw new SqlError('22003', 'numeric field overflow');
      }
      return rounded;
    },
  };
}

function canonicalNumeric(text: string): string {
  const trimmed = text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
  return trimmed === '-0' ? '0' : trimmed;
}

// Half away from zero, as PostgreSQL rounds numeric.
function toScale(text: string, scale: number): string {
  const [whole = '0', fraction = ''] = text.split('.');
  if (fraction.length <= scale) {
    return scale === 0 ? whole : `${whole}.${fraction.padEnd(scale, '0')}`;
  }
  const kept = scale === 0 ? whole : `${whole}.${fraction.slice(0, scale)}`;
  if ((fraction[scale] ?? '0') < '5') return kept;
  const unit = scale === 0 ? '1' : `0.${'0'.repeat(scale - 1)}1`;
  return addDecimals(kept, text.startsWith('-') ? `-${unit}` : unit);
}

function digitsBefore(text: string): number {
  const whole = (text.split('.')[0] ?? '').replace('-', '').replace(/^0+/, '');
  return whole.length;
}

function boundedText(name: string, oid: number, size: number | null): DataType {
  const padded = name === 'bpchar';
  return {
    name,
    oid,
    modifier: size === null ? -1 : size + VARIABLE_HEADER,
    canonical: padded ? (text) => text.replace(/ +$/, '') : same,
    input(text) {
      if (size === null) return text;
      const points = Array.from(text);
      if (points.length <= size)
        return padded ? text.padEnd(text.length + size - points.length) : text;
      const rest = points.slice(size);
      if (rest.some((point) => point !== ' ')) {
        const what = padded ? 'character' : 'character varying';
        throw new SqlError('22001', `value too long for type ${what}(${size})`);
      }
      return points.slice(0, size).join('');
    },
  };
}

function readBoolean(text: string): string {
  const word = text.trim().toLowerCase();
  if (/^(t|true|y|yes|on|1)$/.test(word)) return 't';
  if (/^(f|false|n|no|off|0)$/.test(word)) return 'f';
  throw invalid('boolean', text);
}

function readUuid(text: string): string {
  const digits = text.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(digits)) throw invalid('uuid', text);
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function invalid(type: string, text: string): SqlError {
  return new SqlError('22P02', `invalid input syntax for type ${type}: "${text}"`);
}
