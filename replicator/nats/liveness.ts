import type { NatsConnection } from '@nats-io/transport-node';

const MISSED_MAX = 2;

/**
 * Calls `silent` once when the server has said nothing for two to three intervals, and returns how to
 * stop watching. Any message counts as a sign of life, because an answer to a ping queues behind the
 * data of a slow link. The client's own pings are not used: when they find a dead connection it
 * first waits for its last write, which never ends once the socket's buffer is full
 * (tests/replicator/nats/partition.nats.test.ts).
 */
export function watchLiveness(
  connection: NatsConnection,
  intervalMs: number,
  silent: () => void,
): () => void {
  let answered = true;
  let messages = 0;
  let missed = 0;
  const timer = setInterval(() => {
    const { inMsgs } = connection.stats();
    missed = answered || inMsgs !== messages ? 0 : missed + 1;
    messages = inMsgs;
    if (missed === MISSED_MAX) {
      clearInterval(timer);
      silent();
    } else if (answered) {
      answered = false;
      void connection.flush().then(
        () => (answered = true),
        () => undefined,
      );
    }
  }, intervalMs);
  return () => clearInterval(timer);
}
