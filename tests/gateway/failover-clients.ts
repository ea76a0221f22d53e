import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { RegionClient } from '#gateway/client/region-client.ts';
import type { RegionAddress } from '#gateway/client/region-choice.ts';

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions: { readonly code: string };
  }[];
}

/** A stock graphql-ws client, with the helper's options, that counts what it is told of each row. */
export class Watcher {
  readonly told = new Map<number, number>();
  readonly errors: unknown[] = [];
  /** When it was last told of anything. */
  readonly heardMs: number[] = [];
  started = false;
  readonly client: RegionClient;
  readonly #dispose: () => unknown;

  constructor(regions: readonly RegionAddress[]) {
    this.client = new RegionClient({ regions });
    const options = this.client.socketOptions(WebSocket);
    const socket = this.client.wrap(createClient(options), options);
    this.#dispose = () => socket.dispose();
    socket.subscribe<{ entryChanges: readonly { key: { id: number } }[] }>(
      { query: 'subscription { entryChanges { op key } }' },
      {
        next: ({ data }) => {
          this.started = true;
          for (const { key } of data?.entryChanges ?? []) {
            this.told.set(key.id, (this.told.get(key.id) ?? 0) + 1);
            this.heardMs.push(performance.now());
          }
        },
        error: (error) => this.errors.push(error),
        complete: () => undefined,
      },
    );
  }

  async stop(): Promise<void> {
    await this.#dispose();
  }
}

/** Writes rows through the helper's fetch, and reads each back with its token. */
export class Writer {
  readonly written: number[] = [];
  readonly stale: number[] = [];
  readonly failures: string[] = [];
  readonly succeededMs: number[] = [];
  readonly client: RegionClient;
  #next: number;

  constructor(regions: readonly RegionAddress[], first: number) {
    this.client = new RegionClient({ regions });
    this.#next = first;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const id = this.#next++;
      const wrote = await this.#ask(
        `mutation { createEntry(input: {id: ${id}}) { affectedCount } }`,
      );
      // Tried again after an answer was lost, it is there already.
      const done = wrote?.data !== null && wrote?.data !== undefined && wrote.errors === undefined;
      const twice = wrote?.errors?.[0]?.extensions.code === 'UNIQUE_VIOLATION';
      if (!done && !twice) continue;
      this.written.push(id);
      const read = await this.#ask(`{ entry(id: ${id}) { id } }`);
      if (read === null || read.errors !== undefined) continue;
      if (read.data?.['entry'] === null) this.stale.push(id);
      this.succeededMs.push(performance.now());
    }
  }

  async #ask(query: string): Promise<Answer | null> {
    try {
      const response = await this.client.fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ query }),
      });
      const answer = (await response.json()) as Answer;
      if (answer.errors !== undefined) this.failures.push(answer.errors[0]?.extensions.code ?? '');
      return answer;
    } catch (error) {
      this.failures.push(String(error));
      return null;
    }
  }
}
