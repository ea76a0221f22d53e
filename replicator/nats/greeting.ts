import { connect } from 'node:net';

/** What a nats-server says of itself, before anybody has signed in. */
export interface NatsGreeting {
  readonly version: string;
  readonly maxPayloadBytes: number;
  readonly jetstream: boolean;
}

const DEFAULT_PORT = 4222;
const GREETING_MAX_BYTES = 65_536;

/**
 * Reads the INFO line that every nats-server sends first. No client is needed for it, nor a password,
 * so it tells "not reachable" from "not allowed".
 */
export async function readGreeting(urls: string, timeoutMs: number): Promise<NatsGreeting> {
  // Of a cluster, one server that answers is enough.
  const attempts = urls.split(',').map((url) => greetingOf(url.trim(), timeoutMs));
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

function greetingOf(url: string, timeoutMs: number): Promise<NatsGreeting> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: port === '' ? DEFAULT_PORT : Number(port) });
    let received = '';
    const end = (error: Error | null): void => {
      socket.destroy();
      if (error !== null) reject(error);
    };
    socket.setTimeout(timeoutMs, () => end(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on('error', (error) => end(reasonOf(error)));
    socket.on('close', () => reject(new Error('the connection was closed')));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received += chunk;
      const lineEnd = received.indexOf('\r\n');
      if (lineEnd < 0) {
        if (received.length > GREETING_MAX_BYTES) end(new Error('it is no nats-server'));
        return;
      }
      const greeting = parseGreeting(received.slice(0, lineEnd));
      if (greeting !== null) resolve(greeting);
      end(greeting === null ? new Error('it is no nats-server') : null);
    });
  });
}

/** `INFO {…}`; null when it is something else. */
export function parseGreeting(line: string): NatsGreeting | null {
  if (!line.startsWith('INFO ')) return null;
  let info: unknown;
  try {
    info = JSON.parse(line.slice('INFO '.length));
  } catch {
    return null;
  }
  if (typeof info !== 'object' || info === null || !('version' in info)) return null;
  const maxPayload = 'max_payload' in info ? info.max_payload : 0;
  return {
    version: String(info.version),
    maxPayloadBytes: typeof maxPayload === 'number' ? maxPayload : 0,
    jetstream: 'jetstream' in info && info.jetstream === true,
  };
}

function reasonOf(error: Error): Error {
  // Names with several addresses fail with one error each, and no message of their own.
  return error instanceof AggregateError && error.errors[0] instanceof Error
    ? error.errors[0]
    : error;
}
