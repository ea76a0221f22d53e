import { once } from 'node:events';
import type { Client, Connection, Submittable } from 'pg';

/** What pg's connection can do beyond what its types say. */
interface CopyConnection extends Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  sendCopyFail(reason: string): void;
  endCopyFrom(): void;
}

/** Takes one piece of data; a promise asks the sender to rest until it resolves. */
type Write = (chunk: Buffer) => Promise<unknown> | null;

/** One `COPY` on one server. */
export interface CopyCommand {
  readonly client: Client;
  readonly statement: string;
}

/** Runs a `COPY … FROM STDIN` with this data, in PostgreSQL's text format. */
export async function copyIn(target: CopyCommand, data: string): Promise<void> {
  await load(target, async (write) => {
    await write(Buffer.from(data));
  });
}

/** Pipes a `COPY … TO STDOUT` of one server into a `COPY … FROM STDIN` of another: exact texts. */
export async function copyAcross(source: CopyCommand, target: CopyCommand): Promise<void> {
  await load(
    target,
    (write) =>
      new Promise((resolve, reject) => {
        source.client.query(new CopyOut(source.statement, write, { resolve, reject }));
      }),
  );
}

function load(target: CopyCommand, feed: (write: Write) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    target.client.query(new CopyIn(target.statement, feed, { resolve, reject }));
  });
}

interface Outcome {
  resolve(): void;
  reject(error: unknown): void;
}

/** A query as pg's client drives it; what is settled once stays so. */
class Copy implements Submittable {
  readonly #statement: string;
  readonly #outcome: Outcome;

  constructor(statement: string, outcome: Outcome) {
    this.#statement = statement;
    this.#outcome = outcome;
  }

  submit(connection: Connection): void {
    connection.query(this.#statement);
  }

  handleReadyForQuery(): void {
    this.#outcome.resolve();
  }

  handleError(error: unknown): void {
    this.#outcome.reject(error);
  }

  handleCommandComplete(): void {}
}

class CopyOut extends Copy {
  readonly #write: Write;

  constructor(statement: string, write: Write, outcome: Outcome) {
    super(statement, outcome);
    this.#write = write;
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }, { stream }: Connection): void {
    const rest = this.#write(chunk);
    if (rest === null) return;
    stream.pause();
    // A reader that broke off says so itself.
    void rest.catch(() => {}).then(() => stream.resume());
  }
}

class CopyIn extends Copy {
  readonly #feed: (write: Write) => Promise<void>;

  constructor(statement: string, feed: (write: Write) => Promise<void>, outcome: Outcome) {
    super(statement, outcome);
    this.#feed = feed;
  }

  handleCopyInResponse(connection: CopyConnection): void {
    const { stream } = connection;
    const write: Write = (chunk) => {
      connection.sendCopyFromChunk(chunk);
      return stream.writableNeedDrain ? once(stream, 'drain') : null;
    };
    void this.#feed(write).then(
      () => connection.endCopyFrom(),
      (error: unknown) => {
        // The server's answer to this is an error too, but not the one to show.
        this.handleError(error);
        connection.sendCopyFail('the source of the rows failed');
      },
    );
  }
}
