import { EverywriteError } from '#core/errors.ts';

declare const lsnTag: unique symbol;

/**
 * A WAL position: bytes since the start of the log. A number, not a bigint: 2^53 bytes are 8 PiB of
 * WAL, and positions are compared for every message.
 */
export type Lsn = number & { readonly [lsnTag]: true };

export const ZERO_LSN = 0 as Lsn;

/** From PostgreSQL's text form, `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (match === null) {
    throw new EverywriteError({
      code: 'DECODE_FAILED',
      recovery: 'operator',
      message: `"${text}" is not a WAL position (expected something like 16/B374D848).`,
    });
  }
  const [, high = '', low = ''] = match;
  return lsnFromHalves(Number.parseInt(high, 16), Number.parseInt(low, 16));
}

/** From the two unsigned 32-bit halves used on the wire. */
export function lsnFromHalves(high: number, low: number): Lsn {
  return (high * 0x1_0000_0000 + low) as Lsn;
}

/** PostgreSQL's text form, comparable to what pg_replication_slots shows. */
export function formatLsn(lsn: Lsn): string {
  const high = Math.floor(lsn / 0x1_0000_0000);
  const low = lsn % 0x1_0000_0000;
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}
