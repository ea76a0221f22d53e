import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CATALOGUE_QUERY } from '#gateway/catalogue/catalogue-query.ts';
import { parseCatalogue } from '#gateway/catalogue/parse-catalogue.ts';
import { Engine } from '#gateway/execution/engine.ts';
import type { EngineOptions } from '#gateway/execution/engine.ts';
import { buildModel } from '#gateway/model/build-model.ts';
import type { ModelOptions } from '#gateway/model/build-model.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import { buildSchema } from '#gateway/schema/build-schema.ts';
import type { SubscriptionFields } from '#gateway/schema/build-schema.ts';

export interface LiveSchemaOptions {
  readonly model: ModelOptions;
  readonly engine: Omit<EngineOptions, 'onStale'>;
  readonly subscriptions?: SubscriptionFields;
  /** How often the catalogue is looked at for DDL. */
  readonly pollMs: number;
  readonly onProblem: (problem: string) => void;
  readonly onError: (error: unknown) => void;
}

const HASH_QUERY = `SELECT md5(c.text) FROM (${CATALOGUE_QUERY}) c(text)`;

/** Follows the database's catalogue: after DDL there is a new engine, and requests under way keep theirs. */
export class LiveSchema {
  readonly #pool: Pool;
  readonly #options: LiveSchemaOptions;
  readonly #listeners = new Set<(engine: Engine) => void>();
  #current: { readonly hash: string; readonly engine: Engine } | null = null;
  #stale: () => void = () => {};

  constructor(pool: Pool, options: LiveSchemaOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /** The engine of now; throws before the first `load`. */
  get engine(): Engine {
    if (this.#current === null) throw new Error('the schema is not loaded yet');
    return this.#current.engine;
  }

  /** Names the schema of this region; regions that migrate at different moments differ in it. */
  get hash(): string {
    return this.#current?.hash ?? '';
  }

  get loaded(): boolean {
    return this.#current !== null;
  }

  onChange(listener: (engine: Engine) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the catalogue and makes a new engine if it differs. */
  async load(): Promise<void> {
    if (this.#current !== null && (await this.#ask(HASH_QUERY)) === this.#current.hash) return;
    const text = await this.#ask(CATALOGUE_QUERY);
    const hash = createHash('md5').update(text).digest('hex');
    if (hash === this.#current?.hash) return;
    const model = buildModel(parseCatalogue(text), this.#options.model);
    for (const problem of model.problems) this.#options.onProblem(problem);
    const schema = buildSchema(model, this.#options.subscriptions);
    const engine = new Engine(schema, model, this.#pool, {
      ...this.#options.engine,
      onStale: () => this.#stale(),
    });
    if (this.#current !== null) this.#pool.renew();
    this.#current = { hash, engine };
    for (const listener of this.#listeners) listener(engine);
  }

  /** Looks again and again until the signal; sooner when a statement no longer fits. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const early = new AbortController();
      this.#stale = () => early.abort();
      await sleep(this.#options.pollMs, undefined, {
        signal: AbortSignal.any([signal, early.signal]),
        ref: false,
      }).catch(() => {});
      if (signal.aborted) return;
      await this.load().catch((error: unknown) => this.#options.onError(error));
    }
  }

  async #ask(text: string): Promise<string> {
    const { transaction } = await this.#pool.fly({
      transaction: [{ text, values: [] }],
      afterCommit: [],
    });
    return transaction[0]?.[0]?.[0] ?? '';
  }
}
