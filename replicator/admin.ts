import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EverywriteError } from '#core/errors.ts';
import { metricsText } from '#replicator/metrics.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

export interface AdminServer {
  close(): Promise<void>;
}

/** What the admin address can show and do. Nothing of it changes a row: it needs no password. */
export interface AdminSubject {
  status(): RegionStatus;
  /** Tries rows in quarantine again now; how many, or null while nothing runs. */
  retryQuarantined(relation: string | null, key: string | null): number | null;
}

/**
 * Status for people and programs: /status (JSON), /metrics (Prometheus text), /livez, /readyz; and
 * POST /quarantine/retry?relation=…&key=….
 */
export async function startAdmin(
  address: { readonly host: string; readonly port: number },
  subject: AdminSubject,
): Promise<AdminServer> {
  const server = createServer((request, response) => answer(request, response, subject));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new EverywriteError({
          code: 'SERVER_START_FAILED',
          recovery: 'operator',
          message:
            `The admin address ${address.host}:${address.port} cannot be used (${cause.message}); ` +
            `set another one with regions.<name>.admin.`,
          cause,
        }),
      );
    });
    server.listen(address.port, address.host, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, subject: AdminSubject): void {
  const [path, query = ''] = (request.url ?? '/').split('?');
  const current = subject.status();
  switch (path) {
    case '/status':
      send(response, 200, 'application/json', JSON.stringify(current));
      return;
    case '/metrics':
      send(response, 200, 'text/plain; version=0.0.4', metricsText(current));
      return;
    case '/livez':
      send(response, 200, 'text/plain', 'ok\n');
      return;
    case '/readyz': {
      const ready = current.phase === 'running';
      send(response, ready ? 200 : 503, 'text/plain', `${current.phase}\n`);
      return;
    }
    case '/quarantine/retry':
      retry(request, response, subject, new URLSearchParams(query));
      return;
    default:
      send(
        response,
        404,
        'text/plain',
        'There is /status, /metrics, /livez, /readyz and POST /quarantine/retry.\n',
      );
  }
}

function retry(
  request: IncomingMessage,
  response: ServerResponse,
  subject: AdminSubject,
  query: URLSearchParams,
): void {
  if (request.method !== 'POST') {
    send(response, 405, 'text/plain', 'Trying again is a POST.\n');
    return;
  }
  const retried = subject.retryQuarantined(query.get('relation'), query.get('key'));
  const code = retried === null ? 503 : 200;
  send(response, code, 'application/json', JSON.stringify({ retried: retried ?? 0 }));
}

function send(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, { 'content-type': type });
  response.end(body);
}
