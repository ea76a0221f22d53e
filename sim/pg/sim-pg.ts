import { must } from '#core/assert.ts';
import type { Lsn } from '#core/lsn.ts';
import type { Database } from '#replicator/engine/database-port.ts';
import type { ReplicationSource } from '#replicator/engine/replication-port.ts';
import type { RandomStreams, Scheduler, Trace } from '#sim/kernel/ports.ts';
import { Backend } from '#sim/pg/backend.ts';
import type { ColumnValues } from '#sim/pg/client-statement.ts';
import { Connection } from '#sim/pg/connection.ts';
import { EVERYWRITE_TABLES } from '#sim/pg/everywrite-tables.ts';
import { Flusher } from '#sim/pg/flusher.ts';
import { LockWaits } from '#sim/pg/lock-waits.ts';
import { DEFAULT_TIMINGS, Pace } from '#sim/pg/pace.ts';
import type { Timings } from '#sim/pg/pace.ts';
import { prepareRegion } from '#sim/pg/prepare-region.ts';
import type { RegionPreparation } from '#sim/pg/prepare-region.ts';
import { checkpoint, rebuildAt, recover } from '#sim/pg/recovery.ts';
import { visibleRows } from '#sim/pg/rows.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { ServerTime } from '#sim/pg/server-time.ts';
import { Slot } from '#sim/pg/slot.ts';
import { SimClient } from '#sim/pg/sim-client.ts';
import { SimDatabase } from '#sim/pg/sim-database.ts';
import { SimReplicationSource } from '#sim/pg/sim-replication.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';
import { TableLocks } from '#sim/pg/table-locks.ts';
import { Table } from '#sim/pg/table.ts';
import { TransactionIds } from '#sim/pg/transaction-ids.ts';
import { Wal } from '#sim/pg/wal.ts';
import type { CommitEntry } from '#sim/pg/wal.ts';
import type { WalSender } from '#sim/pg/walsender.ts';
import { LocalWire } from '#sim/pg/wire.ts';
import type { Wire } from '#sim/pg/wire.ts';

export interface SimPgOptions {
  /** Names its random streams and trace points: `eu.pg`. */
  readonly name: string;
  /** 150000 has no origin filter, 180004 has everything. */
  readonly version: number;
  readonly scheduler: Scheduler;
  readonly streams: RandomStreams;
  readonly trace: Trace;
  /** The clock of its machine, Unix microseconds. */
  readonly wallUs: () => number;
  readonly systemIdentifier?: string;
  /** The first transaction's; near 2^32 to see ids wrap. */
  readonly initialXid?: number;
  readonly timings?: Partial<Timings>;
  /** Slots that hold more WAL than this are invalidated at the next checkpoint. */
  readonly maxSlotWalKeepBytes?: number;
}

export interface ClientSide {
  /** Where what arrives at the client happens: a process that was killed or paused does not hear it. */
  readonly scheduler: Scheduler;
  /** A new way to the server for each connection; a short hop by default. */
  readonly wire?: () => Wire;
}

/** What one replicator process holds of its database. */
export interface RegionConnections {
  readonly database: Database;
  readonly replication: ReplicationSource;
  /** The process is gone: its sockets are closed. */
  destroy(): void;
}

/** What a checker may know: nothing has to be guessed. */
export interface PgListener {
  /** A transaction has become visible. */
  committed?(entry: CommitEntry): void;
  /** The server came back without these, which had been flushed or seen or neither. */
  lost?(entries: readonly CommitEntry[], fromLsn: Lsn, why: string): void;
  confirmed?(slot: string, lsn: Lsn): void;
}

type ServerState = 'up' | 'down' | 'recovering' | 'off';

const FIRST_LSN = 0x150_0000;
const FIRST_XID = 740;
const FIRST_OID = 16_384;
const CONNECT_TIMEOUT_US = 10_000_000;
const ORIGIN_FILTER_VERSION = 160_000;
const STANDBY_SNAPSHOT_BYTES = 30;

/** One PostgreSQL server in virtual time. What it models and what not: sim/SIMULATOR.md. */
export class SimPg {
  readonly core: ServerCore;
  readonly #options: SimPgOptions;
  readonly #listeners: PgListener[] = [];
  readonly #connections = new Set<Connection>();
  readonly #senders = new Set<WalSender>();
  #state: ServerState = 'up';
  #nextOid = FIRST_OID;
  #saveFromLsn = 0 as Lsn;

  constructor(options: SimPgOptions) {
    this.#options = options;
    this.core = this.#newCore();
    for (const table of EVERYWRITE_TABLES) this.createTable(table);
    this.#startTimers();
  }

  get state(): ServerState {
    return this.#state;
  }

  listen(listener: PgListener): void {
    this.#listeners.push(listener);
  }

  createTable(definition: TableDefinition): void {
    const table = new Table(definition, this.#nextOid);
    this.#nextOid += 7;
    this.core.tables.set(table.id, table);
  }

  /** Runs in virtual time: resolves when the slot exists. */
  async prepareRegion(wanted: RegionPreparation): Promise<void> {
    const backend = new Backend(this.core, 'init');
    await new Promise<void>((resolve) => backend.run(prepareRegion(this.core, wanted), resolve));
    backend.leave();
  }

  /** The ports of one replicator process. */
  connectFrom(side: ClientSide, cluster: string): RegionConnections {
    const own = new Set<Connection>();
    const connect = async (): Promise<Connection> => {
      const connection = this.#newConnection(side);
      own.add(connection);
      connection.onBroken(() => own.delete(connection));
      await this.#greet(connection, side.scheduler);
      return connection;
    };
    const { core } = this;
    const { scheduler } = side;
    const database = new SimDatabase({
      core,
      scheduler,
      origin: `everywrite_${cluster}`,
      originSupported: core.version >= ORIGIN_FILTER_VERSION,
      connect,
    });
    const replication = new SimReplicationSource({
      core,
      scheduler,
      connect,
      started: (sender) => {
        this.#senders.add(sender);
        sender.poke();
      },
      stopped: (sender) => this.#senders.delete(sender),
      confirmed: (sender, lsn) => this.#confirmed(sender, lsn),
    });
    const destroy = (): void => {
      for (const connection of own) connection.closeFromClient('the process died');
    };
    return { database, replication, destroy };
  }

  /** A connection of an application. */
  async client(side: ClientSide): Promise<SimClient> {
    const connection = this.#newConnection(side);
    await this.#greet(connection, side.scheduler);
    const backend = new Backend(this.core, `${this.core.name} client`);
    connection.accepted({ hungUp: () => backend.leave() });
    return new SimClient(connection, backend);
  }

  /** Every committed row, in no particular order; what a new snapshot would see. */
  rows(table: string): readonly ColumnValues[] {
    const found = must(this.core.tables.get(table), table);
    return visibleRows(found, this.core.ids.snapshot(null, 0)).map(({ values }) => {
      const pairs = found.definition.columns.map(({ name }, at) => [name, values[at] ?? null]);
      return Object.fromEntries(pairs) as ColumnValues;
    });
  }

  /** kill -9 of every process: what was written to the operating system survives. */
  kill(): void {
    this.#die('down', this.core.flusher.writtenLsn, 'kill');
    for (const connection of this.#connections) connection.closeFromServer('the server died');
    this.#connections.clear();
  }

  /** The machine is gone, without a word to anybody: only what was flushed survives. */
  powerLoss(): void {
    this.#die('off', this.core.wal.flushedLsn, 'power loss');
    for (const connection of this.#connections) connection.vanish();
  }

  /** Starts again; takes connections once recovery, which takes this long, is over. */
  start(recoveryUs: number): void {
    if (this.#state !== 'down' && this.#state !== 'off') return;
    // A machine that comes back knows nothing of its old connections.
    for (const connection of this.#connections) connection.closeFromServer('connection reset');
    this.#connections.clear();
    this.#state = 'recovering';
    this.core.time.after(recoveryUs, () => {
      this.#state = 'up';
      this.core.point('up', {
        lsn: this.core.wal.flushedLsn,
        timeline: this.core.identity.timeline,
      });
      this.#startTimers();
    });
  }

  freeze(): void {
    this.core.time.freeze();
  }

  thaw(): void {
    this.core.time.thaw();
  }

  /** Everything takes this many times as long. */
  slow(factor: number): void {
    this.core.time.slow(factor);
  }

  /** Every fsync takes this much longer. */
  slowDisk(extraUs: number): void {
    this.core.flusher.slow(extraUs);
  }

  /** `data`: rows are refused with 53100. `wal`: nothing commits any more. */
  diskFull(what: 'data' | 'wal', full: boolean): void {
    if (what === 'data') this.core.dataDiskFull = full;
    else this.core.flusher.stuck = full;
  }

  /** The line between clients and server breaks; both ends notice. */
  cutConnections(): void {
    for (const connection of this.#connections) connection.cut('connection reset by peer');
    this.#connections.clear();
  }

  /** Commits wait this much longer until they are visible; the slot delivers them meanwhile. */
  syncStandby(delayUs: number | null): void {
    this.core.standbyUs = delayUs;
  }

  checkpoint(): void {
    checkpoint(this.core);
    const { maxSlotWalKeepBytes: keep } = this.#options;
    if (keep === undefined) return;
    for (const slot of this.core.slots.values()) {
      if (this.core.wal.insertLsn - slot.confirmedLsn > keep) this.invalidateSlot(slot.name);
    }
  }

  /** Beside the one that preparing a region makes. */
  createSlot(name: string): void {
    this.core.slots.set(name, new Slot(name, this.core.wal.insertLsn, false));
  }

  dropSlot(name: string): void {
    this.#stopReading(name, `slot "${name}" was dropped`);
    this.core.slots.delete(name);
  }

  /** wal_status lost: the WAL that it needs is gone. */
  invalidateSlot(name: string): void {
    const slot = this.core.slots.get(name);
    if (slot === undefined) return;
    slot.lost = true;
    this.#stopReading(name, `slot "${name}" was invalidated`);
  }

  /** Where the WAL stood at this true time, as far as commits tell. */
  lsnAt(trueUs: number): Lsn {
    const { wal } = this.core;
    let lsn = FIRST_LSN as Lsn;
    for (let at = 0; at < wal.length; at++) {
      const entry = wal.entry(at);
      if (entry?.kind !== 'commit') continue;
      if (entry.trueUs > trueUs || entry.endLsn > wal.flushedLsn) break;
      lsn = entry.endLsn;
    }
    return lsn;
  }

  /**
   * The server dies, and what starts in its place is a standby that had received everything up to `lsn`:
   * a new timeline, on which the same positions and ids are given out again. Slots that were not synced
   * are gone. Call `start` afterwards.
   */
  promoteStandby(lsn: Lsn): void {
    this.#replace(lsn, 'promotion', (failover) => failover);
    this.core.identity.timeline++;
  }

  /**
   * The state at `lsn` is put in place. `pitr`: by replaying an archive, a new timeline without slots;
   * `volume`: a snapshot of the disk, the same timeline, slots and all.
   */
  restore(lsn: Lsn, how: 'pitr' | 'volume'): void {
    this.#replace(lsn, 'restore', () => how === 'volume');
    if (how === 'pitr') this.core.identity.timeline++;
  }

  #replace(lsn: Lsn, why: string, keepsSlot: (failover: boolean) => boolean): void {
    if (this.#state === 'up') this.kill();
    const lost = rebuildAt(this.core, Math.min(lsn, this.core.wal.flushedLsn));
    for (const [name, slot] of this.core.slots) {
      if (!keepsSlot(slot.failover)) this.core.slots.delete(name);
      else if (slot.confirmedLsn > lsn) this.core.slots.set(name, slot.movedTo(lsn));
    }
    this.#reportLost(lost, lsn, why);
  }

  #die(into: ServerState, survives: number, why: string): void {
    if (this.#state === 'down' || this.#state === 'off') return;
    this.#state = into;
    this.core.time.die();
    for (const sender of this.#senders) sender.stop();
    this.#senders.clear();
    const lost = recover(this.core, survives);
    this.#reportLost(lost, survives as Lsn, why);
  }

  #reportLost(lost: readonly CommitEntry[], fromLsn: Lsn, why: string): void {
    this.core.point('recovered', { why, lsn: fromLsn, lost: lost.length });
    for (const listener of this.#listeners) listener.lost?.(lost, fromLsn, why);
  }

  #stopReading(name: string, why: string): void {
    for (const sender of this.#senders) {
      if (sender.slot.name !== name) continue;
      sender.stop();
      this.#senders.delete(sender);
      sender.hangUp(why);
    }
  }

  #confirmed(sender: WalSender, lsn: Lsn): void {
    const { slot } = sender;
    if (slot.activeFor !== sender || lsn <= slot.confirmedLsn) return;
    slot.confirm(lsn, this.#saveFromLsn);
    this.core.point('confirm', { lsn });
    for (const listener of this.#listeners) listener.confirmed?.(slot.name, lsn);
  }

  #newConnection({ scheduler, wire }: ClientSide): Connection {
    const { pace } = this.core;
    const way = wire?.() ?? new LocalWire(this.#options.scheduler, scheduler, () => pace.hop());
    const connection = new Connection(way, scheduler, (gone) => this.#connections.delete(gone));
    this.#connections.add(connection);
    return connection;
  }

  async #greet(connection: Connection, client: Scheduler): Promise<void> {
    const giveUp = client.after(CONNECT_TIMEOUT_US, () => {
      connection.closeFromClient('no answer within the connection timeout');
    });
    try {
      await connection.answer<void>((answered) => {
        connection.toServer(() => {
          if (this.#state === 'off') connection.vanish();
          else if (this.#state === 'up') {
            this.core.time.after(this.core.pace.connect(), () => connection.toClient(answered));
          } else {
            const starting = this.#state === 'recovering';
            connection.closeFromServer(
              starting ? 'the database system is starting up' : 'connection refused',
            );
          }
        });
      });
    } finally {
      giveUp();
    }
  }

  #startTimers(): void {
    const { time, pace, wal } = this.core;
    const { checkpointUs, standbySnapshotUs } = pace.timings;
    const every = (us: number, run: () => void): void => {
      time.after(us, () => {
        run();
        every(us, run);
      });
    };
    every(checkpointUs, () => this.checkpoint());
    every(standbySnapshotUs, () => {
      wal.insert(STANDBY_SNAPSHOT_BYTES);
      this.#saveFromLsn = wal.insertLsn;
      this.core.flusher.later();
    });
  }

  #newCore(): ServerCore {
    const { name, version, scheduler, streams, trace, wallUs, timings } = this.#options;
    const { systemIdentifier = '7400000000000000001', initialXid = FIRST_XID } = this.#options;
    const time = new ServerTime(scheduler);
    const pace = new Pace({ ...DEFAULT_TIMINGS, ...timings }, (purpose) => {
      return streams.stream(`${name}/${purpose}`);
    });
    const wal = new Wal(FIRST_LSN);
    const point: ServerCore['point'] = (what, fields) => trace.point(`${name}.${what}`, fields);
    const waits = new LockWaits({
      time,
      deadlockTimeoutUs: pace.timings.deadlockTimeoutUs,
      wakeUs: () => pace.wake(),
      deadlocked: () => point('deadlock'),
    });
    return {
      name,
      version,
      identity: { systemIdentifier, timeline: 1 },
      time,
      pace,
      ids: new TransactionIds(initialXid),
      wal,
      flusher: new Flusher(wal, time, pace, () => {
        for (const sender of this.#senders) sender.poke();
      }),
      waits,
      tableLocks: new TableLocks(),
      tables: new Map(),
      slots: new Map(),
      publications: new Map(),
      origins: new Map(),
      backends: new Set(),
      unsettled: new Set(),
      wallUs,
      standbyUs: null,
      dataDiskFull: false,
      point,
      published: (entry) => {
        point('commit', { xid: entry.xid, lsn: entry.startLsn, rows: entry.changes.length });
        for (const listener of this.#listeners) listener.committed?.(entry);
      },
    };
  }
}
