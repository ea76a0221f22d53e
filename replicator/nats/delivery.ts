/** What the server writes into the reply subject of a delivered message. */
export interface Delivery {
  /** Position in the stream. */
  readonly streamSequence: number;
  /** Count of deliveries of this consumer, from 1: a jump is a lost delivery. */
  readonly consumerSequence: number;
  /** When it was stored, in nanoseconds, as text: it does not fit a double. */
  readonly storedAt: string;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<stored at>.<pending>`, or
 * with a domain and an account hash before the stream (servers with leaf nodes) and perhaps a random
 * token at the end. Null for anything else.
 */
export function parseDelivery(reply: string): Delivery | null {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return null;
  const at = tokens.length >= 11 ? 7 : 5;
  const storedAt = tokens[at + 2];
  const streamSequence = Number(tokens[at]);
  const consumerSequence = Number(tokens[at + 1]);
  const whole = Number.isSafeInteger(streamSequence) && Number.isSafeInteger(consumerSequence);
  return storedAt === undefined || !whole ? null : { streamSequence, consumerSequence, storedAt };
}
