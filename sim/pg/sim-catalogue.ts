import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { LocalTable } from '#replicator/engine/database-port.ts';
import type { Connection } from '#sim/pg/connection.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { missingTable } from '#sim/pg/sim-session.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';

/** The tables of the region, asked for once and kept until `forget`: as stale as the adapter's. */
export class SimCatalogue {
  readonly #core: ServerCore;
  readonly #connect: () => Promise<Connection>;
  #connection: Connection | null = null;
  #known = new Map<string, TableDefinition | null>();

  constructor(core: ServerCore, connect: () => Promise<Connection>) {
    this.#core = core;
    this.#connect = connect;
  }

  async require(relation: Relation): Promise<void> {
    if ((await this.#definition(relation)) === null) throw missingTable(relation);
  }

  async localTable(relation: Relation): Promise<LocalTable | null> {
    const definition = await this.#definition(relation);
    if (definition === null) return null;
    const { columns, key, unique = [] } = definition;
    const written = columns.filter(({ generated }) => generated === undefined);
    const others = unique.filter(
      (names) => new Set(names).symmetricDifference(new Set(key)).size > 0,
    );
    return {
      columns: written.map(({ name }) => name),
      uniqueColumns: new Set(others.flat()),
      referenced: this.#isReferenced(definition),
    };
  }

  #isReferenced({ schema, name }: TableDefinition): boolean {
    const tables = [...this.#core.tables.values()];
    return tables.some(({ definition: { foreignKeys = [] } }) =>
      foreignKeys.some(
        ({ references }) => references.schema === schema && references.name === name,
      ),
    );
  }

  forget(): void {
    this.#known = new Map();
  }

  close(): void {
    this.#connection?.closeFromClient('closed');
  }

  async #definition(relation: Relation): Promise<TableDefinition | null> {
    const id = relationId(relation);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const into = this.#known;
    const connection = await this.#usable();
    const definition = await connection.answer<TableDefinition | null>((answered) => {
      connection.toServer(() => {
        const found = this.#core.tables.get(id)?.definition ?? null;
        this.#core.time.after(this.#core.pace.statement(1), () => {
          connection.toClient(() => answered(found));
        });
      });
    });
    into.set(id, definition);
    return definition;
  }

  async #usable(): Promise<Connection> {
    if (this.#connection === null || this.#connection.broken !== null) {
      const connection = await this.#connect();
      connection.accepted({ hungUp: () => {} });
      this.#connection = connection;
    }
    return this.#connection;
  }
}
