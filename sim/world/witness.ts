import type { RegionId } from '#core/region.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { HistoryEvent, ProcessEvent } from '#sim/history/event.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import { digest } from '#sim/nats/nats-server.ts';
import type { StoredEntry } from '#sim/nats/stored-stream.ts';

/** Writes what the servers and processes of a world do into its history and its trace. */
export class Witness {
  readonly #kernel: Kernel;
  readonly #record: (event: HistoryEvent) => void;

  constructor(kernel: Kernel, record: (event: HistoryEvent) => void) {
    this.#kernel = kernel;
    this.#record = record;
  }

  record(event: HistoryEvent): void {
    this.#record(event);
  }

  process(target: string, state: ProcessEvent['state'], why: string): void {
    this.#kernel.trace.point('process', { target, state, why });
    this.#record({ kind: 'process', atUs: this.#kernel.nowUs(), target, state, why });
  }

  /** A line of a replicator's log: for the story. Only what names it is hashed. */
  said(who: string, event: string, fields: Readonly<Record<string, unknown>>): void {
    const code = typeof fields['code'] === 'string' ? fields['code'] : '';
    this.#kernel.trace.point(`${who}.log`, { event, code });
    const text = code === '' ? event : `${event}: ${code}`;
    this.#record({ kind: 'point', atUs: this.#kernel.nowUs(), name: `${who}.log`, text });
  }

  stored(region: RegionId, { frame }: StoredEntry): void {
    const { header, transactions } = decodeFrame(frame);
    const { replica, endLsn, part } = header;
    const atUs = this.#kernel.nowUs();
    const hash = digest(frame).toString(16);
    const decoded = transactions();
    const event = { atUs, region, replica, endLsn, digest: hash, part, transactions: decoded };
    this.#record({ kind: 'logged', ...event });
  }

  lost(region: RegionId, entries: readonly StoredEntry[], kept: StoredEntry | null): void {
    const [first] = entries;
    if (first === undefined) return;
    const { replica } = decodeFrame(first.frame).header;
    const afterEndLsn = kept === null ? 0 : decodeFrame(kept.frame).header.endLsn;
    const atUs = this.#kernel.nowUs();
    this.#record({ kind: 'log-lost', atUs, region, replica, afterEndLsn });
  }

  rewound(region: RegionId, fromLsn: number, why: string): void {
    this.#record({ kind: 'rewind', atUs: this.#kernel.nowUs(), region, fromLsn, why });
  }

  confirmed(region: RegionId, lsn: number): void {
    this.#record({ kind: 'confirm', atUs: this.#kernel.nowUs(), region, lsn });
  }
}
