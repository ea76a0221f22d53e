import { assert } from '#core/assert.ts';
import { asEverywriteError, EverywriteError } from '#core/errors.ts';
import type { Logger, Timers } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { LogEntry, LogStores, LogStream } from '#replicator/engine/log-port.ts';
import { isBeyond } from '#replicator/engine/log/frame-order.ts';
import { firstBeyond } from '#replicator/engine/log/frame-search.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import { refuseFork } from '#replicator/engine/log/same-history.ts';

export interface CopierPorts {
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface CopierStatus {
  /** Where frames come from now: the origin, another peer, or nobody. */
  source: RegionId | null;
  error: EverywriteError | null;
  copiedBytes: number;
  /** The newest frame that is in the local copy. */
  last: FrameHeader | null;
}

const RETRY_WAIT_MS = 50;
const PEER_PATIENCE_MS = 300;
// While a relay serves, the origin is asked again this often.
const RELAY_TURN_MS = 2000;

/**
 * Keeps this region's copy of one origin's log: byte for byte, from the origin, else from any peer that
 * is ahead. Runs independently of apply, so that what a region has copied survives its origin.
 */
export class Copier {
  readonly status: CopierStatus = { source: null, error: null, copiedBytes: 0, last: null };
  readonly #origin: RegionId;
  readonly #relays: readonly RegionId[];
  readonly #stores: LogStores;
  readonly #copy: LogStream;
  readonly #ports: CopierPorts;
  readonly #floor: number;
  /** Called when more is whole in the copy. */
  onWhole: () => void = () => undefined;
  #position = 0;
  #wholeUpTo = 0;
  /** Where reading each source stopped: most likely where it goes on. */
  readonly #reached = new Map<RegionId, number>();

  constructor(
    origin: RegionId,
    relays: readonly RegionId[],
    stores: LogStores,
    copy: LogStream,
    ports: CopierPorts,
    /** What this region has beyond doubt: the log need not hold it. */
    floor: number,
  ) {
    this.#floor = floor;
    this.#origin = origin;
    this.#relays = relays;
    this.#stores = stores;
    this.#copy = copy;
    this.#ports = ports;
  }

  /** The last sequence of which every piece is in the copy. */
  get wholeUpTo(): number {
    return this.#wholeUpTo;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.refresh();
        if (await this.#turn(signal)) continue;
      } catch (error) {
        this.#failed(asEverywriteError(error, 'PEER_UNREACHABLE'));
      }
      this.status.source = null;
      await this.#ports.timers.sleep(RETRY_WAIT_MS, signal);
    }
  }

  /** Reads where the copy ends. */
  async refresh(): Promise<void> {
    const last = await this.#copy.lastEntry();
    this.#position = last?.position ?? 0;
    this.#stored(last === null ? null : decodeFrame(last.frame).header);
  }

  #stored(header: FrameHeader | null): void {
    this.status.last = header;
    if (header === null) return;
    const whole = header.lastPart ? header.lastSequence : header.lastSequence - 1;
    if (whole <= this.#wholeUpTo) return;
    this.#wholeUpTo = whole;
    this.onWhole();
  }

  /** Copies what one peer has beyond the copy's end, and stops there. Returns the frames copied. */
  async catchUpFrom(source: LogStream, signal: AbortSignal): Promise<number> {
    const { last } = await source.bounds();
    const from = await this.#whereToRead(source);
    if (from > last) return 0;
    let copied = 0;
    for await (const entries of source.read(from, signal)) {
      copied += await this.#append(source, entries);
      if ((entries.at(-1)?.position ?? 0) >= last) break;
    }
    return copied;
  }

  /** One stretch of copying from the best source; false when nobody has anything for us. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const origin = await this.#open(this.#origin);
    if (origin !== null) {
      await this.#follow(this.#origin, origin, signal);
      return true;
    }
    for (const relay of this.#relays) {
      const stream = await this.#open(relay);
      if (stream === null) continue;
      const last = await stream.lastEntry();
      if (last === null || !isBeyond(decodeFrame(last.frame).header, this.status.last)) continue;
      const turn = new AbortController();
      const end = (): void => turn.abort();
      signal.addEventListener('abort', end);
      void this.#ports.timers.sleep(RELAY_TURN_MS, turn.signal).then(end);
      try {
        await this.#follow(relay, stream, turn.signal);
      } finally {
        signal.removeEventListener('abort', end);
        end();
      }
      return true;
    }
    return false;
  }

  async #open(region: RegionId): Promise<LogStream | null> {
    try {
      // The link goes on dialling: a peer that does not answer now is asked again at the next turn.
      const late = this.#ports.timers.sleep(PEER_PATIENCE_MS).then(() => null);
      const store = await Promise.race([this.#stores.peer(region), late]);
      if (store === null || !store.connected()) {
        this.#failed(unanswered(region));
        return null;
      }
      return await store.stream(this.#origin, false);
    } catch (error) {
      this.#failed(asEverywriteError(error, 'PEER_UNREACHABLE'));
      return null;
    }
  }

  async #follow(source: RegionId, stream: LogStream, signal: AbortSignal): Promise<void> {
    const from = await this.#whereToRead(stream, this.#reached.get(source));
    this.status.source = source;
    this.status.error = null;
    for await (const entries of stream.read(from, signal)) {
      await this.#append(stream, entries);
      const last = entries.at(-1);
      if (last !== undefined) this.#reached.set(source, last.position);
    }
  }

  async #whereToRead(stream: LogStream, reached?: number): Promise<number> {
    const beyond = (header: FrameHeader): boolean => isBeyond(header, this.status.last);
    const from = await firstBeyond(stream, beyond, reached);
    const [entry, prior] = await Promise.all([
      stream.entryAt(from),
      from > 1 ? stream.entryAt(from - 1) : null,
    ]);
    await this.#compare(stream, prior);
    if (entry !== null) this.#refuseGap(decodeFrame(entry.frame).header, this.status.last);
    return from;
  }

  #compare(source: LogStream, known: LogEntry | null): Promise<void> {
    return refuseFork(this.#origin, this.#copy, this.status.last, source, known);
  }

  async #append(source: LogStream, entries: readonly LogEntry[]): Promise<number> {
    const fresh: { readonly header: FrameHeader; readonly frame: Uint8Array }[] = [];
    let { last } = this.status;
    let known: LogEntry | null = null;
    for (const entry of entries) {
      const { frame } = entry;
      const { header } = decodeFrame(frame);
      if (tellsAgain(header, last)) known = entry;
      if (!isBeyond(header, last)) continue;
      this.#refuseGap(header, last);
      if (leavesHole(header, last)) await this.#startOver(fresh.length === 0);
      fresh.push({ header, frame });
      last = header;
    }
    // What the copy has already is passed over, but not on trust.
    if (known !== null) await this.#compare(source, known);
    const base = this.#position;
    const appends = fresh.map(({ frame }, at) => this.#copy.append(frame, base + at));
    const outcomes = await Promise.allSettled(appends);
    for (const [at, outcome] of outcomes.entries()) {
      // What followed a refused frame was refused with it; the next turn looks where the copy ends.
      if (outcome.status === 'rejected') throw outcome.reason;
      this.#position++;
      this.status.copiedBytes += fresh[at]?.frame.length ?? 0;
      this.#stored(fresh[at]?.header ?? null);
    }
    return fresh.length;
  }

  #refuseGap(header: FrameHeader, have: FrameHeader | null): void {
    if (have !== null && header.replica !== have.replica) return;
    const next = nextOf(header);
    if (next <= Math.max(have?.lastSequence ?? 0, this.#floor) + 1) return;
    throw new EverywriteError({
      code: 'MUST_REJOIN',
      recovery: 'operator',
      message:
        `The log of ${this.#origin} no longer holds what this region lacks (it has ` +
        `${have?.lastSequence ?? 0}, the log begins with ${header.firstSequence}): this region was away ` +
        `for longer than the log is kept and must join again.`,
    });
  }

  /** What is stored ends before what this region has: a log with a hole in it would be none. */
  async #startOver(clean: boolean): Promise<void> {
    assert(clean, () => `a hole inside the log of ${this.#origin}`);
    await this.#copy.trim(this.#position + 1);
  }

  #failed(error: EverywriteError): void {
    if (this.status.error?.code !== error.code) {
      const fields = { origin: this.#origin, code: error.code, error: error.message };
      this.#ports.logger.log('warn', 'copying paused', fields);
    }
    this.status.error = error;
  }
}

// A heartbeat brings no transaction: the one that it names must be here already.
function nextOf(header: FrameHeader): number {
  return header.kind === 'heartbeat' ? header.firstSequence + 1 : header.firstSequence;
}

function leavesHole(header: FrameHeader, last: FrameHeader | null): boolean {
  return last !== null && header.replica === last.replica && nextOf(header) > last.lastSequence + 1;
}

function tellsAgain(header: FrameHeader, last: FrameHeader | null): boolean {
  return header.kind === 'transactions' && header.firstSequence <= (last?.lastSequence ?? 0);
}

function unanswered(region: RegionId): EverywriteError {
  return new EverywriteError({
    code: 'PEER_UNREACHABLE',
    recovery: 'retry',
    message: `NATS of ${region} does not answer; its log is asked of other regions, and of it again.`,
  });
}
