import { EverywriteError } from '#core/errors.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import type { ReadRow, Row } from '#sim/history/event.ts';
import type { RandomStream } from '#sim/kernel/ports.ts';
import type { ClientResult, ClientStatement } from '#sim/pg/client-statement.ts';
import type { SimClient } from '#sim/pg/sim-client.ts';
import type { SimPg } from '#sim/pg/sim-pg.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { ClientStep, ClientTransaction, TransactResult } from '#sim/run/world.ts';

const SAVEPOINT_CHANCE = 0.2;
const REPEAT_CHANCE = 0.25;
const RELEASE_CHANCE = 0.5;

/** One transaction of an application on a connection of its own, given up when its time is over. */
export function transact(
  kernel: Kernel,
  pg: SimPg,
  transaction: ClientTransaction,
): Promise<TransactResult> {
  return new Promise((resolve) => {
    let client: SimClient | null = null;
    let committing = false;
    const cancel = kernel.after(Math.round(transaction.timeoutMs * 1000), () => {
      client?.close();
      resolve(gaveUp(committing));
    });
    const run = async (): Promise<TransactResult> => {
      client = await pg.client({ scheduler: kernel });
      const style = kernel.streams.stream(`${pg.core.name}/style`);
      return perform(kernel, client, transaction, style, () => {
        committing = true;
      });
    };
    void run()
      .catch((error: unknown) => failure(error, committing))
      .then((result) => {
        cancel();
        client?.close();
        resolve(result);
      });
  });
}

async function perform(
  kernel: Kernel,
  client: SimClient,
  { steps, op, holdMs }: ClientTransaction,
  style: RandomStream,
  committing: () => void,
): Promise<TransactResult> {
  const rows: ReadRow[] = [];
  let affected = 0;
  await client.execute({ kind: 'begin', tag: String(op) });
  for (const step of steps) {
    const result = await inStyle(client, statementOf(step), style);
    if (step.kind === 'read') {
      rows.push({ table: step.table, key: keyText(step.key), row: result.rows[0]?.values ?? null });
    } else affected += result.count;
  }
  if (holdMs > 0) {
    await new Promise<void>((resolve) => {
      kernel.after(Math.round(holdMs * 1000), resolve);
    });
  }
  committing();
  const { commitLsn, rolledBack } = await client.execute({ kind: 'commit' });
  if (rolledBack) return { kind: 'failed', error: 'ROLLBACK' };
  return { kind: 'committed', commitLsn, rows, affected };
}

/**
 * As drivers and frameworks do it: some put a savepoint around each statement, whose rows then carry
 * ids that no snapshot lists; some try a statement, take it back and do it again.
 */
async function inStyle(
  client: SimClient,
  statement: ClientStatement,
  style: RandomStream,
): Promise<ClientResult> {
  if (!style.chance(SAVEPOINT_CHANCE)) return client.execute(statement);
  await client.execute({ kind: 'savepoint', name: 'step' });
  if (style.chance(REPEAT_CHANCE)) {
    await client.execute(statement);
    await client.execute({ kind: 'rollbackTo', name: 'step' });
  }
  const result = await client.execute(statement);
  if (style.chance(RELEASE_CHANCE)) await client.execute({ kind: 'release', name: 'step' });
  return result;
}

function statementOf(step: ClientStep): ClientStatement {
  if (step.kind !== 'read') return step;
  return { kind: 'select', table: step.table, key: step.key };
}

function failure(error: unknown, committing: boolean): TransactResult {
  if (error instanceof SqlError) return { kind: 'failed', error: error.sqlState };
  if (!(error instanceof EverywriteError)) throw error;
  return { kind: committing ? 'unknown' : 'failed', error: error.code };
}

function gaveUp(committing: boolean): TransactResult {
  return { kind: committing ? 'unknown' : 'failed', error: 'TIMEOUT' };
}

/** Values of the key's columns, in their order. */
function keyText(key: Row): string {
  return Object.values(key).join('\u0000');
}
