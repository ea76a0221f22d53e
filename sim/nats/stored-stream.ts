import { must } from '#core/assert.ts';
import type { LogBounds, LogEntry } from '#replicator/engine/log-port.ts';

export interface StoredEntry extends LogEntry {
  /** Unique, as the publisher's Nats-Msg-Id. */
  readonly messageId: string;
  /** True time: also what tells two entries at one position apart. */
  readonly storedAtUs: number;
}

/** One stream on the server's disk. Nothing here knows of clients. */
export class StoredStream {
  /** Which stream of this name it is: one that was created again is another. */
  readonly created: number;
  readonly maxBytes: number;
  #entries: StoredEntry[] = [];
  #first = 1;
  #last = 0;
  #bytes = 0;
  /** The last message id survives the purge of its entry, not the loss of the tail. */
  #lastMessageId = '';

  constructor(created: number, maxBytes: number) {
    this.created = created;
    this.maxBytes = maxBytes;
  }

  get last(): number {
    return this.#last;
  }

  get lastMessageId(): string {
    return this.#lastMessageId;
  }

  bounds(): LogBounds {
    return { first: this.#first, last: this.#last, bytes: this.#bytes };
  }

  hasRoomFor(bytes: number): boolean {
    return this.maxBytes < 0 || this.#bytes + bytes <= this.maxBytes;
  }

  lastEntry(): StoredEntry | null {
    return this.#entries.at(-1) ?? null;
  }

  at(position: number): StoredEntry | null {
    return this.#entries[position - this.#first] ?? null;
  }

  /** Entries from `position` on, as many as the bounds allow, at least one if there is one. */
  from(position: number, entriesMax: number, bytesMax: number): readonly StoredEntry[] {
    const found: StoredEntry[] = [];
    let bytes = 0;
    for (let at = Math.max(0, position - this.#first); at < this.#entries.length; at++) {
      const entry = must(this.#entries[at], 'a stored entry');
      bytes += entry.frame.length;
      if (found.length > 0 && (found.length >= entriesMax || bytes > bytesMax)) break;
      found.push(entry);
    }
    return found;
  }

  store(frame: Uint8Array, messageId: string, storedAtUs: number): StoredEntry {
    this.#last++;
    // A copy: what the sender does with its buffer is its own affair.
    const entry = { position: this.#last, frame: new Uint8Array(frame), messageId, storedAtUs };
    this.#entries.push(entry);
    this.#bytes += frame.length;
    this.#lastMessageId = messageId;
    return entry;
  }

  /** Forgets everything before `position`. */
  purge(position: number): void {
    const count = Math.min(Math.max(0, position - this.#first), this.#entries.length);
    this.#count(this.#entries.splice(0, count));
    this.#first = Math.max(this.#first, Math.min(position, this.#last + 1));
  }

  /** A power cut: what was stored after `atUs` is gone, acknowledged or not. Returns it. */
  loseAfter(atUs: number): readonly StoredEntry[] {
    const kept = this.#entries.findLastIndex((entry) => entry.storedAtUs <= atUs) + 1;
    const lost = this.#entries.splice(kept);
    this.#count(lost);
    if (lost.length === 0) return lost;
    this.#last = this.#entries.at(-1)?.position ?? this.#first - 1;
    this.#lastMessageId = this.#entries.at(-1)?.messageId ?? '';
    return lost;
  }

  #count(gone: readonly StoredEntry[]): void {
    for (const { frame } of gone) this.#bytes -= frame.length;
  }
}
