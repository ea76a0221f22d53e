import { connect } from 'node:net';

export interface ServerAddress {
  /** `host:port` of each server. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
}

const DEFAULT_PORT = '4222';

/** Reads `nats://user:pass@host:port,host:port`; the client itself would drop user and password. */
export function parseServerAddress(url: string): ServerAddress {
  const parsed = url.split(',').map((part) => {
    const text = part.trim();
    return new URL(/^[a-z]+:\/\//.test(text) ? text : `nats://${text}`);
  });
  const named = parsed.find((server) => server.username !== '');
  return {
    servers: parsed.map(({ hostname, port }) => `${hostname}:${port === '' ? DEFAULT_PORT : port}`),
    ...(named === undefined
      ? {}
      : { user: decodeURIComponent(named.username), pass: decodeURIComponent(named.password) }),
  };
}

export interface Knock {
  readonly withinMs: number;
  /** `info`: the server says its greeting at once. `connection`: it waits for a TLS handshake. */
  readonly expect: 'info' | 'connection';
}

/**
 * Whether any of the servers answers. Asked after a connection attempt has timed out, because the
 * client forgets the socket of such an attempt without closing it: a peer that is away for a day
 * would cost thousands.
 */
export async function someServerAnswers(
  servers: readonly string[],
  knock: Knock,
): Promise<boolean> {
  const answers = await Promise.all(servers.map((server) => answersTo(server, knock)));
  return answers.includes(true);
}

function answersTo(server: string, knock: Knock): Promise<boolean> {
  const { hostname, port } = new URL(`nats://${server}`);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
    const settle = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(false), knock.withinMs);
    // The kernel accepts connections for a stopped server too: only its greeting proves it alive.
    socket.once(knock.expect === 'info' ? 'data' : 'connect', () => settle(true));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
  });
}
