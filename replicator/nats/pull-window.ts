/** One request for deliveries that the server may still answer. */
interface Grant {
  request: number;
  bytesLeft: number;
  entriesLeft: number;
}

export interface WindowBounds {
  readonly bytesMax: number;
  readonly entriesMax: number;
  /** The largest message: every grant must have room for one, or the server could never answer it. */
  readonly messageBytesMax: number;
}

export interface PullRequest {
  readonly slot: number;
  readonly request: number;
  readonly bytes: number;
  readonly entries: number;
}

/** Several, so that one is always open while another one is renewed across a slow link. */
export const SLOTS = 4;

/**
 * The accounts of a reader's read-ahead: granted to the server, waiting for the reader, and with the
 * reader, never more than the bounds together (except for one message larger than the bound).
 */
export class PullWindow {
  readonly #bounds: WindowBounds;
  readonly #grantBytes: number;
  readonly #grantEntries: number;
  readonly #slots: (Grant | null)[] = Array.from({ length: SLOTS }, () => null);
  #requests = 0;
  #heldBytes = 0;
  #heldEntries = 0;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
    this.#grantBytes = Math.max(Math.floor(bounds.bytesMax / SLOTS), bounds.messageBytesMax);
    this.#grantEntries = Math.max(1, Math.floor(bounds.entriesMax / SLOTS));
  }

  /** Whether the server owes us deliveries or heartbeats. */
  get open(): boolean {
    return this.#slots.some((grant) => grant !== null);
  }

  /** The requests that may be sent now. */
  refill(): readonly PullRequest[] {
    const requests: PullRequest[] = [];
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (this.#slots[slot] !== null || !this.#hasRoom()) continue;
      const bytes = this.#grantBytes;
      const entries = this.#grantEntries;
      this.#requests += 1;
      this.#slots[slot] = { request: this.#requests, bytesLeft: bytes, entriesLeft: entries };
      requests.push({ slot, request: this.#requests, bytes, entries });
    }
    return requests;
  }

  /** A message came for the request in `slot`. True when that request is used up. */
  delivered(slot: number, bytes: number): boolean {
    this.#heldBytes += bytes;
    this.#heldEntries += 1;
    const grant = this.#slots[slot] ?? null;
    if (grant === null) return false;
    grant.bytesLeft = Math.max(0, grant.bytesLeft - bytes);
    grant.entriesLeft -= 1;
    if (grant.entriesLeft > 0) return false;
    this.#slots[slot] = null;
    return true;
  }

  /** The server will not answer this request any more; an older one of that slot is past already. */
  ended(slot: number, request: number): void {
    if (this.#slots[slot]?.request === request) this.#slots[slot] = null;
  }

  /** The reader is done with what it took. */
  released(bytes: number, entries: number): void {
    this.#heldBytes -= bytes;
    this.#heldEntries -= entries;
  }

  #hasRoom(): boolean {
    let bytes = this.#heldBytes;
    let entries = this.#heldEntries;
    for (const grant of this.#slots) {
      bytes += grant?.bytesLeft ?? 0;
      entries += grant?.entriesLeft ?? 0;
    }
    if (entries === 0) return true;
    const { bytesMax, entriesMax } = this.#bounds;
    return bytes + this.#grantBytes <= bytesMax && entries + this.#grantEntries <= entriesMax;
  }
}
