import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { SpilledKey, Statement, StatementResult } from '#replicator/engine/statement.ts';

/** The spill table, and nothing else of a database. */
export class SpillSession implements DatabaseSession {
  readonly rows = new Map<string, SpilledKey>();
  /** Called while a statement is under way, as capture goes on meanwhile. */
  meanwhile: () => void = () => undefined;

  async flight(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    const results = statements.map((statement) => this.#execute(statement));
    await Promise.resolve();
    this.meanwhile();
    return results;
  }

  attempt(): Promise<never> {
    return Promise.reject(new Error('unexpected'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #execute(statement: Statement): StatementResult {
    switch (statement.kind) {
      case 'resetSpill':
        this.rows.clear();
        return { kind: 'done' };
      case 'spill':
        for (const row of statement.rows) {
          // The primary key of the real table.
          if (this.rows.has(`${row.relation} ${row.key}`)) throw new Error(`${row.key} is there`);
          this.rows.set(`${row.relation} ${row.key}`, row);
        }
        return { kind: 'done' };
      case 'loadSpill': {
        const asked = statement.keys?.map(({ relation, key }) => `${relation} ${key}`);
        const found = [...this.rows].filter(
          ([id, { relation }]) => asked?.includes(id) ?? relation === statement.table,
        );
        for (const [id] of found) this.rows.delete(id);
        return { kind: 'spilled', rows: found.map(([, row]) => row) };
      }
      default:
        throw new Error(`unexpected ${statement.kind}`);
    }
  }
}
