import { EverywriteError } from '#core/errors.ts';
import type { PgText } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { listQuarantine } from '#deploy/records/quarantine-record.ts';
import type { QuarantineRecord } from '#deploy/records/quarantine-record.ts';
import { openRegion } from '#deploy/records/records-client.ts';
import type { RecordsClient } from '#deploy/records/records-client.ts';
import {
  deleteSql,
  findTable,
  insertSql,
  readRow,
  replicatedTable,
  updateSql,
} from '#deploy/records/replicated-table.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';
import { encodeKey } from '#replicator/pg/sql-key.ts';

type Row = Readonly<Record<string, PgText>>;

export interface Discarded {
  readonly table: string;
  readonly key: readonly string[];
  /** Where the decision was written, as an ordinary transaction. */
  readonly writtenIn: string;
  readonly wanted: Row | null;
  readonly kept: Row | null;
}

/**
 * Gives a refused row up: what the refusing region's table holds becomes the row everywhere. That is
 * an ordinary write in a region that has the row as it was wanted, so it is later than it, travels like
 * any other, and takes the row out of quarantine when it arrives. What is given up is kept on record.
 */
export async function discardRow(
  config: ClusterConfig,
  refusing: RecordsClient,
  record: QuarantineRecord,
  key: RowKey,
  reason: string,
  signal: AbortSignal,
): Promise<Discarded> {
  const { client } = refusing;
  const here = await findTable(client, record.table);
  const kept = here === null ? null : await readRow(client, here, key);
  const writtenIn = await writeElsewhere(config, refusing.region, record, key, kept, signal);
  const text = (value: string | null): string => (value === null ? 'NULL' : quoteLiteral(value));
  const json = (row: Row | null): string => text(row === null ? null : JSON.stringify(row));
  await client.execute(
    `INSERT INTO everywrite.discarded (relation, key, sql_state, refused_because, wanted, kept, reason)
     VALUES (${text(record.table)}, ${text(encodeKey(key))}, ${text(record.sqlState)},
       ${text(record.reason)}, ${json(record.wanted)}, ${json(kept)}, ${text(reason)})`,
  );
  return { table: record.table, key: record.key, writtenIn, wanted: record.wanted, kept };
}

async function writeElsewhere(
  config: ClusterConfig,
  refusing: RegionConfig,
  record: QuarantineRecord,
  key: RowKey,
  kept: Row | null,
  signal: AbortSignal,
): Promise<string> {
  const tried: string[] = [];
  for (const region of config.regions.values()) {
    if (region.region === refusing.region) continue;
    try {
      const other = await openRegion(config, region, signal);
      try {
        const [refused] = await listQuarantine(other.client, region.region, {
          table: record.table,
          key,
          limit: 1,
        });
        if (refused === undefined) {
          await write(other, record, key, kept);
          return region.region;
        }
        tried.push(`${region.region} refuses it too`);
      } finally {
        await other.client.close();
      }
    } catch (error) {
      if (!(error instanceof EverywriteError) || error.code === 'ROW_REFUSED') throw error;
      tried.push(`${region.region}: ${error.message}`);
    }
  }
  throw new EverywriteError({
    code: 'PEER_UNREACHABLE',
    recovery: 'operator',
    message:
      `No other region has the row as it is wanted (${tried.join('; ')}), and giving it up is a write ` +
      `in such a region. Nothing was changed.`,
  });
}

async function write(
  { client, region }: RecordsClient,
  record: QuarantineRecord,
  key: RowKey,
  kept: Row | null,
): Promise<void> {
  const table = await replicatedTable(client, record.table);
  await client.execute('BEGIN');
  try {
    const there = await readRow(client, table, key, 'forUpdate');
    const statement = statementFor(table, key, there, kept);
    if (statement === null) {
      throw new EverywriteError({
        code: 'ROW_REFUSED',
        recovery: 'operator',
        message:
          `${region.region} already has the row as the refusing region has it: what is refused was ` +
          `overwritten meanwhile, and the quarantine ends by itself when that arrives.`,
      });
    }
    await client.execute(statement);
    await client.execute('COMMIT');
  } catch (error) {
    await client.execute('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

function statementFor(
  table: Parameters<typeof updateSql>[0],
  key: RowKey,
  there: Row | null,
  kept: Row | null,
): string | null {
  if (kept === null) return there === null ? null : deleteSql(table, key);
  if (there === null) return insertSql(table, kept);
  const changed = Object.entries(kept).filter(([name, value]) => {
    return name in there && there[name] !== value;
  });
  return changed.length === 0 ? null : updateSql(table, key, Object.fromEntries(changed));
}
