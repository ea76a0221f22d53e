import { must } from '#core/assert.ts';
import type { AdvanceVectorStatement, BeginStatement } from '#replicator/engine/statement.ts';
import { done, plain, prepared } from './sql-query.ts';
import type { Rendered } from './sql-query.ts';

/**
 * Deferrable constraints are checked by the statement that breaks them: at COMMIT nobody could say
 * which row it was. The guard's re-check after a lock wait exists under READ COMMITTED only,
 * so it is asked for.
 */
export function begin(statement: BeginStatement): Rendered {
  const timeout = Math.trunc(statement.lockTimeoutMs);
  return done(
    plain(
      `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = ${timeout}; ` +
        'SET CONSTRAINTS ALL IMMEDIATE',
    ),
  );
}

export function commit(): Rendered {
  return done(plain('COMMIT'));
}

/** An origin survives ROLLBACK, and would hide the next local write of this session. */
export function rollback(underOrigin: boolean): Rendered {
  return underOrigin ? done(plain('ROLLBACK'), RESET_ORIGIN) : done(plain('ROLLBACK'));
}

/** Released first where one exists: savepoints of one name would pile up in a long transaction. */
export function savepoint(exists: boolean): Rendered {
  return done(plain(`${exists ? 'RELEASE SAVEPOINT everywrite; ' : ''}SAVEPOINT everywrite`));
}

export function rollbackToSavepoint(): Rendered {
  return done(plain('ROLLBACK TO SAVEPOINT everywrite'));
}

export function enterOrigin(origin: string): Rendered {
  return done(prepared('SELECT pg_replication_origin_session_setup($1)', [origin]));
}

const RESET_ORIGIN = prepared('SELECT pg_replication_origin_session_reset()', []);

export function leaveOrigin(): Rendered {
  return done(RESET_ORIGIN);
}

/** Compare-and-set (T12). The cast of an xid8 to xid is the 32-bit id that a row's xmin shows. */
export function advanceVector(statement: AdvanceVectorStatement): Rendered {
  const query = prepared(
    'UPDATE everywrite.applied SET vector = $1, hlc = $2::bigint, generation = generation + 1 ' +
      'WHERE id = 1 AND generation = $3::bigint ' +
      'RETURNING pg_current_xact_id()::xid, pg_snapshot_xmin(pg_current_snapshot())',
    [statement.vector, `${statement.hlc}`, `${statement.expectedGeneration}`],
  );
  return {
    queries: [query],
    read: ([answer]) => {
      const { count, rows } = must(answer, 'answer');
      const [xid, snapshotXmin] = rows[0] ?? [];
      return {
        kind: 'advanced',
        count,
        xid: Number(xid ?? 0),
        snapshotXmin: BigInt(snapshotXmin ?? 0),
      };
    },
  };
}
