import { unreachable } from '#core/assert.ts';
import type { Relation } from '#core/relation.ts';
import type { RecordStatement, Statement } from '#replicator/engine/statement.ts';
import { emitMark, emitVerdict, readSettings, readSnapshot, readState } from './sql-control.ts';
import { lockRows, lockTable, truncateExcept } from './sql-locks.ts';
import type { Rendered } from './sql-query.ts';
import {
  clearQuarantine,
  forgetConflicts,
  loadSpill,
  readQuarantine,
  resetSpill,
  saveCheckpoint,
  spill,
  withdrawConflicts,
  writeConflicts,
  writeQuarantine,
} from './sql-records.ts';
import { findOrphans } from './sql-orphans.ts';
import { findRivals } from './sql-rivals.ts';
import { deleteRows, insertRows, updateRows } from './sql-rows.ts';
import {
  advanceVector,
  begin,
  commit,
  enterOrigin,
  leaveOrigin,
  rollback,
  rollbackToSavepoint,
  savepoint,
} from './sql-transaction.ts';
import type { TableShape } from './table-shape.ts';

/** What a statement's SQL depends on besides the statement. */
export interface RenderContext {
  readonly serverVersion: number;
  readonly origin: string;
  readonly underOrigin: boolean;
  readonly savepointExists: boolean;
  readonly shape: (relation: Relation) => TableShape;
}

export function renderStatement(statement: Statement, context: RenderContext): Rendered {
  switch (statement.kind) {
    case 'updateRows':
      return updateRows(statement, context.shape(statement.relation));
    case 'insertRows':
      return insertRows(statement, context.shape(statement.relation));
    case 'deleteRows':
      return deleteRows(statement, context.shape(statement.relation));
    case 'lockRows':
      return lockRows(statement, context.shape(statement.relation));
    case 'lockTable':
      return lockTable(statement, context.shape(statement.relation));
    case 'findOrphans':
      return findOrphans(statement, context.shape(statement.relation));
    case 'findRivals':
      return findRivals(statement, context.shape(statement.relation));
    case 'truncateExcept':
      return truncateExcept(statement, context.shape(statement.relation));
    default:
      return renderOwn(statement, context);
  }
}

/** Statements on user tables, whose SQL needs the catalogue. */
export type TableStatement = Extract<Statement, { readonly relation: Relation }>;
type OwnStatement = Exclude<Statement, TableStatement>;

function renderOwn(statement: OwnStatement, context: RenderContext): Rendered {
  switch (statement.kind) {
    case 'begin':
      return begin(statement);
    case 'commit':
      return commit();
    case 'rollback':
      return rollback(context.underOrigin);
    case 'savepoint':
      return savepoint(context.savepointExists);
    case 'rollbackToSavepoint':
      return rollbackToSavepoint();
    case 'advanceVector':
      return advanceVector(statement);
    case 'enterOrigin':
      return enterOrigin(context.origin);
    case 'leaveOrigin':
      return leaveOrigin();
    case 'readSnapshot':
      return readSnapshot();
    case 'emitMark':
      return emitMark(statement, context.serverVersion);
    case 'emitVerdict':
      return emitVerdict(statement);
    case 'readState':
      return readState();
    case 'readSettings':
      return readSettings(statement);
    default:
      return renderRecord(statement);
  }
}

function renderRecord(statement: RecordStatement): Rendered {
  switch (statement.kind) {
    case 'writeConflicts':
      return writeConflicts(statement);
    case 'forgetConflicts':
      return forgetConflicts(statement);
    case 'withdrawConflicts':
      return withdrawConflicts(statement);
    case 'writeQuarantine':
      return writeQuarantine(statement);
    case 'clearQuarantine':
      return clearQuarantine(statement);
    case 'readQuarantine':
      return readQuarantine();
    case 'saveCheckpoint':
      return saveCheckpoint(statement);
    case 'resetSpill':
      return resetSpill(statement);
    case 'spill':
      return spill(statement);
    case 'loadSpill':
      return loadSpill(statement);
    default:
      return unreachable(statement);
  }
}
