import { EverywriteError } from '#core/errors.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import type { ReadRow, Row } from '#sim/history/event.ts';
import type { ClientStatement } from '#sim/pg/client-statement.ts';
import type { SimClient } from '#sim/pg/sim-client.ts';
import type { SimPg } from '#sim/pg/sim-pg.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { ClientStep, ClientTransaction, TransactResult } from '#sim/run/world.ts';

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
      return perform(kernel, client, transaction, () => {
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
  committing: () => void,
): Promise<TransactResult> {
  const rows: ReadRow[] = [];
  let affected = 0;
  await client.execute({ kind: 'begin', tag: String(op) });
  for (const step of steps) {
    const result = await client.execute(statementOf(step));
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
