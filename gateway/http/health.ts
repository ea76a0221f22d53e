import type { ServerResponse } from 'node:http';

export interface HealthParts {
  /** Whether this region's database answers; peers are nobody's readiness but their own. */
  readonly askDatabase: () => Promise<unknown>;
  readonly schemaLoaded: () => boolean;
}

const ANSWER_MS = 1000;
/** Probes of several balancers in one moment are one question to the database. */
const REMEMBER_MS = 500;

/** `/livez` and `/readyz`. Ready is who can answer requests now: never a question of other regions. */
export class Health {
  readonly #parts: HealthParts;
  #draining = false;
  #asked: { readonly atMs: number; readonly answers: Promise<boolean> } | null = null;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** From now on not ready: balancers send nobody any more. */
  drain(): void {
    this.#draining = true;
  }

  live(response: ServerResponse): void {
    send(response, 200, 'ok');
  }

  async ready(response: ServerResponse): Promise<void> {
    if (this.#draining) return send(response, 503, 'draining');
    if (!this.#parts.schemaLoaded()) return send(response, 503, 'the schema is not loaded yet');
    if (!(await this.#databaseAnswers()))
      return send(response, 503, 'the database does not answer');
    return send(response, 200, 'ready');
  }

  #databaseAnswers(): Promise<boolean> {
    const nowMs = performance.now();
    if (this.#asked === null || nowMs - this.#asked.atMs > REMEMBER_MS) {
      this.#asked = { atMs: nowMs, answers: answersIn(this.#parts.askDatabase) };
    }
    return this.#asked.answers;
  }
}

function answersIn(ask: () => Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ANSWER_MS);
  const answered = ask().then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late.promise]).finally(() => clearTimeout(timer));
}

function send(response: ServerResponse, status: number, text: string): void {
  const close = status === 503 ? { Connection: 'close' } : {};
  response.writeHead(status, {
    'Content-Type': 'text/plain',
    'Cache-Control': 'no-store',
    ...close,
  });
  response.end(`${text}\n`);
}
