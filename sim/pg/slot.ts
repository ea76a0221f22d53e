import type { Lsn } from '#core/lsn.ts';

/** A logical replication slot. Where it stands in memory is on disk only now and then. */
export class Slot {
  readonly name: string;
  confirmedLsn: Lsn;
  /** What a crash leaves of it. */
  savedLsn: Lsn;
  /** The walsender that reads it. */
  activeFor: object | null = null;
  /** Invalidated: it no longer holds the WAL it needs. */
  lost = false;
  /** A synced copy waits on the standby (PostgreSQL 17 failover slots). */
  readonly failover: boolean;

  constructor(name: string, at: Lsn, failover: boolean) {
    this.name = name;
    this.confirmedLsn = at;
    this.savedLsn = at;
    this.failover = failover;
  }

  /** `saveFrom`: a confirmation that passes this position is saved at once, as a new restart_lsn is. */
  confirm(lsn: Lsn, saveFrom: Lsn): void {
    if (lsn <= this.confirmedLsn) return;
    const passes = this.confirmedLsn < saveFrom && lsn >= saveFrom;
    this.confirmedLsn = lsn;
    if (passes) this.save();
  }

  save(): void {
    this.savedLsn = this.confirmedLsn;
  }

  /** The same slot as somebody else has it, who knows less. */
  movedTo(lsn: Lsn): Slot {
    return new Slot(this.name, lsn, this.failover);
  }

  /** After a crash: recent confirmations are forgotten, and nobody reads. */
  recover(): void {
    this.confirmedLsn = this.savedLsn;
    this.activeFor = null;
  }
}
