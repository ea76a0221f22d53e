import { isFiniteDecimal, subtractDecimals } from '#core/decimal.ts';

const INSTANT = /^(\d{4,})-(\d\d)-(\d\d)(.*?)( BC)?$/;
const FLOAT = /^-?\d+(\.\d+)?e[+-]\d+$/;

/**
 * PostgreSQL's order of integer, numeric, real, double precision, date and timestamp values, on their
 * texts under the pinned settings (ISO, UTC). NaN is above everything, as in PostgreSQL.
 */
export function compareOrdered(left: string, right: string): number {
  if (left === right) return 0;
  const [a, b] = [extremity(left), extremity(right)];
  if (a !== b || a !== 0) return a - b;
  if (isFiniteDecimal(left) && isFiniteDecimal(right)) return signOf(subtractDecimals(left, right));
  const [instant, other] = [INSTANT.exec(left), INSTANT.exec(right)];
  if (instant !== null && other !== null) return compareInstants(instant, other);
  if (isNumber(left) && isNumber(right)) return Number(left) - Number(right);
  return left < right ? -1 : 1;
}

function extremity(text: string): number {
  switch (text) {
    case 'NaN':
      return 2;
    case 'Infinity':
    case 'infinity':
      return 1;
    case '-Infinity':
    case '-infinity':
      return -1;
    default:
      return 0;
  }
}

function isNumber(text: string): boolean {
  return isFiniteDecimal(text) || FLOAT.test(text);
}

function signOf(decimal: string): number {
  if (!/[1-9]/.test(decimal)) return 0;
  return decimal.startsWith('-') ? -1 : 1;
}

// Years have four digits or more, and count backwards before Christ; the rest is of fixed width but for
// fractions of a second, which compare as texts once the zone behind them is gone.
function compareInstants(left: RegExpExecArray, right: RegExpExecArray): number {
  const year = yearOf(left) - yearOf(right);
  if (year !== 0) return year;
  const [a, b] = [restOf(left), restOf(right)];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function yearOf([, year, , , , era]: RegExpExecArray): number {
  return era === undefined ? Number(year) : 1 - Number(year);
}

function restOf([, , month, day, time = '']: RegExpExecArray): string {
  return `${month}-${day}${time.replace(/\+00$/, '')}`;
}
