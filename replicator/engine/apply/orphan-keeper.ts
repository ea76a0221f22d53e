import { asEverywriteError } from '#core/errors.ts';
import type { Logger, Timers } from '#core/ports.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import { formatDot } from '#core/transaction.ts';
import type { ChangeTransaction, DeleteOp, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { Database, DatabaseSession } from '#replicator/engine/database-port.ts';
import type { OrphanGroup, Statement } from '#replicator/engine/statement.ts';

/** Deleted parents to remember until everybody has seen the deletion. */
const WATCHED_MAX = 100_000;
const PER_ROUND = 500;
const PACE_MS = 100;
const RETRY_MS = 5000;
const FORGET_ROUNDS = 300;
const LOCK_TIMEOUT_MS = 500;

interface Watched {
  readonly by: TransactionHeader;
  readonly op: DeleteOp;
}

export interface OrphanPorts {
  readonly database: Database;
  readonly timers: Timers;
  readonly logger: Logger;
  /** What every member is known to have seen. */
  readonly stable: () => VersionVector;
}

/**
 * Foreign keys are silent while apply writes, so a child that another region inserted beside the deletion
 * of its parent is left without one. The region that deleted the parent looks for such children once
 * every member is known to have seen the deletion: then all of them are here, and nothing can bring the
 * parent back any more. It does what the foreign key says, as an ordinary local transaction: CASCADE
 * deletes the child, SET NULL and SET DEFAULT change it, and where the parent could not have been
 * deleted at all, it comes back as it was (hazards T9).
 */
export class OrphanKeeper {
  readonly #ports: OrphanPorts;
  readonly #referenced = new Map<string, boolean>();
  #watched: Watched[] = [];
  #dropped = 0;
  #session: DatabaseSession | null = null;
  #perRound = PER_ROUND;

  constructor(ports: OrphanPorts) {
    this.#ports = ports;
  }

  /** An own transaction, at capture or when it is folded again after a start. */
  watch(transaction: ChangeTransaction): void {
    for (const op of transaction.ops) {
      if (op.kind !== 'delete' || this.#referenced.get(relationId(op.relation)) === false) continue;
      if (this.#watched.length < WATCHED_MAX) this.#watched.push({ by: transaction, op });
      else this.#drop(op.relation);
    }
  }

  /** True while a deletion that everybody has seen was not looked at yet: the checkpoint waits for it. */
  get isDue(): boolean {
    if (this.#watched.length === 0) return false;
    const stable = this.#ports.stable();
    return this.#watched.some((entry) => this.#isSeen(entry, stable));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { timers, logger } = this.#ports;
    try {
      for (let rounds = 1; !signal.aborted; rounds++) {
        await timers.sleep(PACE_MS, signal);
        // A foreign key may have been added since.
        if (rounds % FORGET_ROUNDS === 0) this.#referenced.clear();
        await this.#forgetUnreferenced();
        while (this.isDue && !signal.aborted) {
          try {
            await this.#round();
            this.#perRound = PER_ROUND;
          } catch (error) {
            await this.#drain();
            const { code, message } = asEverywriteError(error, 'STATEMENT_FAILED');
            logger.log('warn', 'children of deleted rows wait', { code, error: message });
            this.#giveWay();
            await timers.sleep(RETRY_MS, signal);
          }
        }
      }
    } finally {
      await this.#drain();
    }
  }

  /** One that cannot be mended now waits behind the others. */
  #giveWay(): void {
    const stable = this.#ports.stable();
    const first = this.#watched.find((entry) => this.#isSeen(entry, stable));
    if (this.#perRound === 1 && first !== undefined) {
      this.#watched = [...this.#watched.filter((entry) => entry !== first), first];
    }
    this.#perRound = 1;
  }

  #isSeen({ by }: Watched, stable: VersionVector): boolean {
    return sequenceOf(stable, by.replica) >= by.sequence;
  }

  /** Most tables have no children: their deletions are not kept. */
  async #forgetUnreferenced(): Promise<void> {
    const unknown = new Map<string, Relation>();
    for (const { op } of this.#watched) {
      const id = relationId(op.relation);
      if (!this.#referenced.has(id)) unknown.set(id, op.relation);
    }
    for (const [id, relation] of unknown) {
      const table = await this.#ports.database.localTable(relation);
      this.#referenced.set(id, table?.referenced === true);
    }
    if (unknown.size === 0) return;
    this.#watched = this.#watched.filter(
      ({ op }) => this.#referenced.get(relationId(op.relation)) === true,
    );
  }

  async #round(): Promise<void> {
    const stable = this.#ports.stable();
    const due = this.#watched.filter((entry) => this.#isSeen(entry, stable));
    const [first] = due;
    if (first === undefined) return;
    const { relation } = first.op;
    // Of one description of one table: they share a statement.
    const batch = due.filter(({ op }) => op.relation === relation).slice(0, this.#perRound);
    const session = (this.#session ??= await this.#ports.database.open('control'));
    const [, found] = await session.flight([
      { kind: 'begin', lockTimeoutMs: LOCK_TIMEOUT_MS },
      { kind: 'findOrphans', relation, rows: batch.map(({ op }) => op.values) },
    ]);
    const groups = found?.kind === 'orphans' ? found.groups : [];
    const statements = groups.flatMap((group) => mendStatements(group, batch));
    await session.flight([...statements, { kind: 'commit' }]);
    const looked = new Set(batch);
    this.#watched = this.#watched.filter((entry) => !looked.has(entry));
    for (const group of groups) this.#tell(group, batch);
  }

  #tell({ constraint, relation, onDelete, rows }: OrphanGroup, batch: readonly Watched[]): void {
    const [first] = rows;
    const by = first === undefined ? undefined : batch[first.parent]?.by;
    if (by === undefined) return;
    this.#ports.logger.log(
      'warn',
      'children of a row that was deleted elsewhere at the same time',
      {
        constraint,
        table: relationId(relation),
        rows: rows.length,
        onDelete,
        deletedBy: formatDot(by),
      },
    );
  }

  #drop(relation: Relation): void {
    this.#dropped++;
    if (this.#dropped % 1000 !== 1) return;
    this.#ports.logger.log('error', 'too many deletions to watch; children may be left dangling', {
      table: relationId(relation),
      limit: WATCHED_MAX,
      dropped: this.#dropped,
    });
  }

  async #drain(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close().catch(() => undefined);
  }
}

/** What the foreign key says, in the order in which no constraint is broken on the way. */
function mendStatements(group: OrphanGroup, batch: readonly Watched[]): readonly Statement[] {
  const { relation, referring, onDelete, rows } = group;
  if (rows.length === 0) return [];
  const named = rows.map(({ values }) => ({ key: rowKey(relation, values), knownXid: null }));
  if (onDelete === 'cascade') return [{ kind: 'deleteRows', relation, rows: named, guard: null }];
  if (onDelete === 'no action') {
    const parents = new Set(rows.map(({ parent }) => batch[parent]?.op));
    return [...parents].flatMap((op): Statement[] => {
      // A row that lost its unique value cannot come back beside the one that keeps it.
      if (op === undefined || op.cause !== undefined) return [];
      return [{ kind: 'insertRows', relation: op.relation, rows: [op.values] }];
    });
  }
  const updates = rows.map(({ values, defaults }) => ({
    key: rowKey(relation, values),
    knownXid: null,
    writes: referring.map((_, at) => {
      const value = onDelete === 'set null' ? null : (defaults[at] ?? null);
      return { kind: 'set', value } as const;
    }),
  }));
  return [{ kind: 'updateRows', relation, columns: referring, rows: updates, guard: null }];
}
