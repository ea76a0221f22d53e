/** Exact arithmetic on PostgreSQL's integer and numeric texts: floats would lose cents. */

interface Decimal {
  readonly unscaled: bigint;
  readonly scale: number;
}

const FINITE = /^-?\d+(\.\d+)?$/;
const SMALL = /^-?\d{1,15}$/;

/** NaN and Infinity are values of numeric, but nothing can be added to them meaningfully. */
export function isFiniteDecimal(text: string): boolean {
  return FINITE.test(text);
}

/** `left + right`; the scale is the larger of both, as in PostgreSQL. */
export function addDecimals(left: string, right: string): string {
  if (SMALL.test(left) && SMALL.test(right)) return String(Number(left) + Number(right));
  const [a, b] = aligned(parse(left), parse(right));
  return format({ unscaled: a.unscaled + b.unscaled, scale: a.scale });
}

/** `left - right`. */
export function subtractDecimals(left: string, right: string): string {
  if (SMALL.test(left) && SMALL.test(right)) return String(Number(left) - Number(right));
  const [a, b] = aligned(parse(left), parse(right));
  return format({ unscaled: a.unscaled - b.unscaled, scale: a.scale });
}

function parse(text: string): Decimal {
  const point = text.indexOf('.');
  if (point < 0) return { unscaled: BigInt(text), scale: 0 };
  const scale = text.length - point - 1;
  return { unscaled: BigInt(text.slice(0, point) + text.slice(point + 1)), scale };
}

function aligned(left: Decimal, right: Decimal): readonly [Decimal, Decimal] {
  const scale = Math.max(left.scale, right.scale);
  return [rescale(left, scale), rescale(right, scale)];
}

function rescale(value: Decimal, scale: number): Decimal {
  return { unscaled: value.unscaled * 10n ** BigInt(scale - value.scale), scale };
}

function format(value: Decimal): string {
  if (value.scale === 0) return value.unscaled.toString();
  const negative = value.unscaled < 0n;
  const digits = (negative ? -value.unscaled : value.unscaled)
    .toString()
    .padStart(value.scale + 1, '0');
  const at = digits.length - value.scale;
  return `${negative ? '-' : ''}${digits.slice(0, at)}.${digits.slice(at)}`;
}
