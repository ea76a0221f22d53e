import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import type {
  EmitMarkStatement,
  EmitVerdictStatement,
  ReadSettingsStatement,
  RegionState,
  Snapshot,
} from '#replicator/engine/statement.ts';
import { plain, done, prepared, quoteLiteral } from './sql-query.ts';
import type { Answer, Rendered } from './sql-query.ts';

const FLUSH_ARGUMENT_VERSION = 170_000;

/** Whether this server can flush a message by itself, so that a mark needs no transaction of its own. */
export function flushesMessages(serverVersion: number): boolean {
  return serverVersion >= FLUSH_ARGUMENT_VERSION;
}

/** Of this transaction: capture meets it with the marker, or not at all. */
export function emitVerdict({ content }: EmitVerdictStatement): Rendered {
  return done(
    prepared("SELECT pg_logical_emit_message(true, 'everywrite:verdict', $1)", [content]),
  );
}

/**
 * A non-transactional message that is flushed when the statement returns: capture meets it at this
 * place in the WAL, at once, and in every version as the same message without an xid.
 *
 * Before 17 nothing flushes it, so the commit record of a transaction around it does: the id is taken
 * because a transaction without one writes no commit record. `local` waits for no standby. Capture
 * also meets that empty transaction, which pgoutput of 15 and later does not send.
 */
export function emitMark(statement: EmitMarkStatement, serverVersion: number): Rendered {
  const { prefix, content } = statement;
  if (flushesMessages(serverVersion)) {
    return done(prepared('SELECT pg_logical_emit_message(false, $1, $2, true)', [prefix, content]));
  }
  const message = `pg_logical_emit_message(false,${quoteLiteral(prefix)},${quoteLiteral(content)})`;
  return done(
    plain(
      `BEGIN; SET LOCAL synchronous_commit = local; SELECT ${message}; ` +
        'SELECT pg_current_xact_id(); COMMIT',
    ),
  );
}

export function readSnapshot(): Rendered {
  return {
    queries: [prepared('SELECT pg_current_snapshot()', [])],
    read: ([answer]) => ({ kind: 'snapshot', snapshot: parseSnapshot(cell(answer)) }),
  };
}

/** `xmin:xmax:xid,xid,…` as PostgreSQL prints a pg_snapshot. */
export function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, list = ''] = text.split(':');
  return {
    xmin: BigInt(must(xmin, 'xmin')),
    xmax: BigInt(must(xmax, 'xmax')),
    inProgress: list === '' ? [] : list.split(',').map(BigInt),
  };
}

const READ_STATE = `
SELECT r.region, r.epoch, a.generation, a.vector, a.hlc, r.initial_settings, c.stable, c.fold_from,
       current_setting('server_version_num'), s.confirmed_flush_lsn,
       r.system_identifier::text = (SELECT system_identifier::text FROM pg_control_system())
         AND r.timeline::text = (SELECT timeline_id::text FROM pg_control_checkpoint()),
       pg_current_wal_flush_lsn()
FROM everywrite.region r
JOIN everywrite.applied a ON a.id = 1
LEFT JOIN everywrite.checkpoint c ON c.id = 1
LEFT JOIN pg_replication_slots s ON s.slot_name = r.slot`;

export function readState(): Rendered {
  return {
    queries: [prepared(READ_STATE, [])],
    read: ([answer]) => ({ kind: 'state', state: parseState(answer) }),
  };
}

export function readSettings(statement: ReadSettingsStatement): Rendered {
  return {
    queries: [
      prepared('SELECT value FROM everywrite.settings WHERE id = $1::bigint', [`${statement.id}`]),
    ],
    read: ([answer]) => ({ kind: 'settings', value: answer?.rows[0]?.[0] ?? null }),
  };
}

function parseState(answer: Answer | undefined): RegionState {
  const row = answer?.rows[0];
  if (row === undefined) {
    throw new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: 'This database is not part of a cluster yet; run "everywrite init" on it.',
    });
  }
  const [region, epoch, generation, vector, hlc, settings, stable, foldFrom, ...server] = row;
  const [version, confirmed, sameServer, walLsn] = server;
  return {
    region: must(region, 'region'),
    epoch: Number(epoch),
    generation: Number(generation),
    vector: must(vector, 'vector'),
    hlc: Number(hlc),
    initialSettings: Number(settings),
    stable: stable ?? '',
    foldFrom: foldFrom ?? '',
    serverVersion: Number(version),
    confirmedFlushLsn: confirmed ?? null,
    sameServer: sameServer === 't',
    walLsn: must(walLsn, 'WAL position'),
  };
}

function cell(answer: Answer | undefined): string {
  return must(answer?.rows[0]?.[0], 'value');
}
