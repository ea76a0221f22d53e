import type { RegionId } from '#core/region.ts';

/** One stored frame and its place in this stream. Places differ between copies; dots do not. */
export interface LogEntry {
  /** Position in this stream, ascending from 1 without gaps until trimmed. */
  readonly position: number;
  readonly frame: Uint8Array;
}

export interface LogBounds {
  /** First stored position; `last + 1` when empty. */
  readonly first: number;
  /** Last stored position; 0 when nothing was ever stored. */
  readonly last: number;
  readonly bytes: number;
}

/** One origin's stream in one region's JetStream. */
export interface LogStream {
  bounds(): Promise<LogBounds>;
  /** The newest entry, or null when empty. */
  lastEntry(): Promise<LogEntry | null>;
  entryAt(position: number): Promise<LogEntry | null>;
  /**
   * Appends behind position `expectedLast`; rejects with LOG_FENCED when somebody else appended, LOG_FULL
   * when the store refuses, LOG_UNREACHABLE when no answer came (the frame may or may not be stored).
   * Calls may be pipelined: the caller predicts the positions.
   */
  append(frame: Uint8Array, expectedLast: number): Promise<number>;
  /**
   * Entries from `position` on, in order, then live as they are stored. Batches are whatever arrived;
   * the adapter holds at most `maxBufferedBytes` ahead of the reader. Throws LOG_GAP when `position`
   * was trimmed, LOG_UNREACHABLE when the connection is gone for good or the stream was re-created.
   */
  read(position: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>;
  /** Forgets everything before `position`. */
  trim(position: number): Promise<void>;
}

/** One region's JetStream, local or a peer's. */
export interface LogStore {
  /** The stream of `origin`; created when missing if `create`, else null when it does not exist. */
  stream(origin: RegionId, create: boolean): Promise<LogStream | null>;
  /** False while disconnected. */
  connected(): boolean;
  close(): Promise<void>;
}

export interface LogStores {
  /** This region's own store. Rejects with LOG_UNREACHABLE. */
  local(): Promise<LogStore>;
  /** A peer's store, over the inter-region link. Rejects with PEER_UNREACHABLE within a bound. */
  peer(region: RegionId): Promise<LogStore>;
}
