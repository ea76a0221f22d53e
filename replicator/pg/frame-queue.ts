import type { Lsn } from '#core/lsn.ts';
import type { ReplicationFrame } from '#replicator/engine/replication-port.ts';

const BLOCK_BYTES = 256 * 1024;
/** What a frame costs besides its bytes, so that a flood of tiny messages is bounded as well. */
const FRAME_OVERHEAD_BYTES = 128;

/**
 * Frames that arrived and were not taken yet. It copies: pg-protocol moves the rest of an incomplete
 * message to the front of the same buffer, over messages it has already handed out
 * (replication-stream.pg.test.ts, "stays what it was").
 */
export class FrameQueue {
  #frames: ReplicationFrame[] = [];
  #block = Buffer.alloc(0);
  #blockUsed = 0;
  #heldBytes = 0;

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** The message is `chunk` from `start` on. */
  pushData(walStart: Lsn, chunk: Buffer, start: number): void {
    this.#frames.push({ kind: 'data', walStart, bytes: this.#copy(chunk, start) });
    this.#heldBytes += chunk.byteLength - start + FRAME_OVERHEAD_BYTES;
  }

  pushKeepalive(walEnd: Lsn): void {
    const last = this.#frames.at(-1);
    // Only the newest of several says anything, so that they cannot fill the queue.
    if (last?.kind === 'keepalive') this.#frames.pop();
    else this.#heldBytes += FRAME_OVERHEAD_BYTES;
    this.#frames.push({ kind: 'keepalive', walEnd });
  }

  /** All of them, oldest first; the bytes stay as they are for as long as anybody holds them. */
  take(): readonly ReplicationFrame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#heldBytes = 0;
    return frames;
  }

  // Blocks, because an allocation per message costs more than its copy. Never used twice.
  #copy(chunk: Buffer, from: number): Buffer {
    const length = chunk.byteLength - from;
    if (length > BLOCK_BYTES / 4) return Buffer.from(chunk.subarray(from));
    if (this.#blockUsed + length > this.#block.byteLength) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#blockUsed = 0;
    }
    const start = this.#blockUsed;
    this.#blockUsed += length;
    chunk.copy(this.#block, start, from);
    return this.#block.subarray(start, start + length);
  }
}
