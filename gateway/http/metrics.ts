import type { ServerResponse } from 'node:http';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** One answered request. */
export interface AnsweredRequest {
  readonly operation: 'query' | 'mutation' | null;
  readonly status: number;
  readonly codes: readonly string[];
  readonly durationMs: number;
}

/** What is looked at when the metrics are asked for. */
export interface GaugeSources {
  readonly sockets: () => number;
  readonly subscriptions: () => number;
  readonly groups: () => number;
  readonly causalWaiters: () => number;
  readonly poolActive: () => number;
  readonly poolWaiting: () => number;
  readonly feedRunning: () => boolean;
  /** Milliseconds per peer; those of which nothing is known are left out. */
  readonly stalenessMs: () => ReadonlyMap<string, number>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** The gateway's metrics in Prometheus' text form; deploy/OPERATIONS.md explains each. */
export class GatewayMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<'operation' | 'status'>;
  readonly #errors: Counter<'code'>;
  readonly #duration: Histogram<'operation'>;

  constructor(region: string, sources: GaugeSources) {
    const registers = [this.#registry];
    this.#registry.setDefaultLabels({ region });
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: 'everywrite_gateway_requests_total',
      help: 'Requests answered over HTTP.',
      labelNames: ['operation', 'status'],
      registers,
    });
    this.#errors = new Counter({
      name: 'everywrite_gateway_errors_total',
      help: 'Errors in answers, by extensions.code.',
      labelNames: ['code'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'everywrite_gateway_request_duration_seconds',
      help: 'From the request’s headers to its answer.',
      labelNames: ['operation'],
      buckets: SECONDS,
      registers,
    });
    this.#gauges(sources);
  }

  observe({ operation, status, codes, durationMs }: AnsweredRequest): void {
    const name = operation ?? 'none';
    this.#requests.inc({ operation: name, status });
    this.#duration.observe({ operation: name }, durationMs / 1000);
    for (const code of codes) this.#errors.inc({ code });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  async answer(response: ServerResponse): Promise<void> {
    const body = await this.text();
    response.writeHead(200, { 'Content-Type': this.#registry.contentType });
    response.end(body);
  }

  #gauges(sources: GaugeSources): void {
    const gauge = (name: string, help: string, read: () => number): void => {
      const registers = [this.#registry];
      const made: Gauge = new Gauge({
        name,
        help,
        registers,
        collect: () => {
          made.set(read());
        },
      });
    };
    gauge('everywrite_gateway_sockets', 'Open WebSockets.', sources.sockets);
    gauge('everywrite_gateway_subscriptions', 'Subscriptions.', sources.subscriptions);
    gauge('everywrite_gateway_subscription_groups', 'Distinct subscriptions.', sources.groups);
    gauge(
      'everywrite_gateway_causal_waiters',
      'Requests that wait for a token.',
      sources.causalWaiters,
    );
    gauge('everywrite_gateway_pool_active', 'Database connections at work.', sources.poolActive);
    gauge('everywrite_gateway_pool_waiting', 'Requests without one.', sources.poolWaiting);
    gauge('everywrite_gateway_feed_running', '1 while changes are read.', () => {
      return sources.feedRunning() ? 1 : 0;
    });
    const staleness: Gauge<'peer'> = new Gauge({
      name: 'everywrite_gateway_staleness_seconds',
      help: 'How old what is missing of a peer may be.',
      labelNames: ['peer'],
      registers: [this.#registry],
      collect: () => {
        for (const [peer, ms] of sources.stalenessMs()) staleness.set({ peer }, ms / 1000);
      },
    });
  }
}
