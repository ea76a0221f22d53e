import { WebSocket } from 'ws';
import type { Told } from './fan-out.ts';

/** The clients of fan-out.ts: they count, and note how long each message was on its way. */

const [, , port = '', count = ''] = process.argv;
const subscribers = Number(count);
let received = 0;
let acknowledged = 0;
let latencies: number[] | null = null;

const tell = (told: Told): void => void process.send?.(told);

for (let n = 0; n < subscribers; n++) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  socket.on('open', () => socket.send('{"type":"connection_init"}'));
  socket.on('message', (data: Buffer) => {
    if (data.includes('"connection_ack"')) {
      socket.send(
        JSON.stringify({
          id: `subscription-${n}`,
          type: 'subscribe',
          payload: { query: 'subscription { a }' },
        }),
      );
      return;
    }
    if (data.includes('"ping"')) {
      socket.send('{"type":"pong"}');
      return;
    }
    // The first is empty, and says that the subscription has begun.
    if (data.includes('"noteChanges":[]')) {
      acknowledged++;
      if (acknowledged === subscribers) tell({ ready: true });
      return;
    }
    received++;
    if (latencies === null) return;
    const sent = Number(/"sentMs":([\d.]+)/.exec(data.toString())?.[1]);
    latencies.push(performance.timeOrigin + performance.now() - sent);
  });
}

setInterval(() => tell({ received }), 2);
process.on('message', (order) => {
  if (order === 'forget') latencies = [];
  else tell({ received, latenciesMs: latencies ?? [] });
});
