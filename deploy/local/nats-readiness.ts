import { connect } from 'node:net';

const ATTEMPT_MS = 1_000;
const ANSWER = '"type":"io.nats.jetstream.api.v1.account_info_response"';
const REQUEST =
  'CONNECT {"verbose":false,"pedantic":false}\r\n' +
  'SUB _INBOX.ready 1\r\nPUB $JS.API.INFO _INBOX.ready 0\r\n\r\n';

/**
 * Whether JetStream of the server with this name answers on this port. Asked in the NATS protocol itself: a client library would
 * bring reconnecting and its own idea of patience.
 */
export function isJetStreamReady(port: number, serverName: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    const settle = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(ATTEMPT_MS, () => settle(false));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
    // The server speaks first, and in the same packet says who it is.
    socket.once('data', (info) => {
      if (nameIn(info) === serverName) socket.write(REQUEST);
      else settle(false);
    });
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      // While JetStream is still starting the answer is an error, or "no responders".
      if (received.includes(ANSWER)) settle(!received.includes('"error":'));
      else if (received.includes('-ERR')) settle(false);
    });
  });
}

function nameIn(info: Buffer): unknown {
  const [, json] = /^INFO (\{.*\})/.exec(info.toString('utf8')) ?? [];
  if (json === undefined) return undefined;
  const { server_name: name } = JSON.parse(json) as { readonly server_name?: unknown };
  return name;
}
