import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EverywriteError } from '#core/errors.ts';
import { metricsText } from '#replicator/metrics.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

export interface AdminServer {
  close(): Promise<void>;
}

/** Status for people and programs: /status (JSON), /metrics (Prometheus text), /livez, /readyz. */
export async function startAdmin(
  address: { readonly host: string; readonly port: number },
  status: () => RegionStatus,
): Promise<AdminServer> {
  const server = createServer((request, response) => answer(request, response, status));
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

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: () => RegionStatus,
): void {
  const path = (request.url ?? '/').split('?')[0];
  const current = status();
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
    default:
      send(response, 404, 'text/plain', 'There is /status, /metrics, /livez and /readyz.\n');
  }
}

function send(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, { 'content-type': type });
  response.end(body);
}
