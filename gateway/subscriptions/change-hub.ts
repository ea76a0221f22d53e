import type { Timers } from '#core/ports.ts';
import { covers, EMPTY_VECTOR, joinVectors } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ChangeFeed } from '#gateway/feed/change-feed.ts';
import { FeedReader } from '#gateway/feed/feed-reader.ts';
import { CursorExpired } from '#gateway/feed/replay.ts';
import { encodeToken, tokenOf } from '#gateway/session/causal-token.ts';
import { changeBatches, ResyncNeeded } from '#gateway/subscriptions/change-batch.ts';
import {
  ChangeGroup,
  encodeBatch,
  KNOWN_KEYS_MAX,
  withCursor,
} from '#gateway/subscriptions/change-group.ts';
import type { Member } from '#gateway/subscriptions/change-group.ts';
import type { ChangeQuery } from '#gateway/subscriptions/change-query.ts';
import { errorText } from '#gateway/subscriptions/error-text.ts';
import { KnownKeys } from '#gateway/subscriptions/known-keys.ts';
import type { OperationSink, RunningOperation } from '#gateway/subscriptions/operation.ts';

/** Where a subscription begins. */
export type ChangeStart =
  | { readonly kind: 'now' }
  /** With all rows that are there, then what changes. */
  | { readonly kind: 'initial' }
  | { readonly kind: 'after'; readonly cursor: VersionVector };

const FEED_WAIT_MS = 20;

/** All subscriptions to changes of one gateway. */
export class ChangeHub {
  readonly #feed: ChangeFeed;
  readonly #timers: Timers;
  readonly #groups = new Map<string, ChangeGroup>();
  readonly #failed: (error: unknown) => void;
  #count = 0;

  /** `failed` hears of what no subscriber is told. */
  constructor(feed: ChangeFeed, timers: Timers, failed: (error: unknown) => void) {
    this.#feed = feed;
    this.#timers = timers;
    this.#failed = failed;
  }

  get subscriptions(): number {
    return this.#count;
  }

  get groups(): number {
    return this.#groups.size;
  }

  subscribe(query: ChangeQuery, start: ChangeStart, sink: OperationSink): RunningOperation {
    const subscription = new Subscription(sink, (error) => this.#explain(error));
    this.#count++;
    void this.#bring(query, start, subscription).catch((error: unknown) =>
      subscription.fail(error),
    );
    return {
      cursor: () => subscription.cursor,
      cancel: () => {
        if (subscription.end()) this.#count--;
      },
    };
  }

  /** Catches a subscription up on its own, until it can share what its group reads. */
  async #bring(query: ChangeQuery, start: ChangeStart, to: Subscription): Promise<void> {
    const { signal } = to;
    to.onEnd = () => this.#count--;
    const begin = start.kind === 'after' ? start.cursor : await this.#present(signal);
    // Knowing from the start where it stands, a client that loses its connection loses no change.
    if (start.kind === 'now')
      to.deliver(withCursor(query.render([], BLANK), textOf(begin)), textOf(begin));
    const known = new KnownKeys(KNOWN_KEYS_MAX);
    if (start.kind === 'initial') await sendInitial(query, begin, known, to);
    const reader = new FeedReader(this.#feed, this.#timers, begin);
    try {
      while (!signal.aborted) {
        const group = this.#groupFor(query, reader.position);
        if (group !== null) {
          to.join(group, reader.position);
          return;
        }
        const releases = await reader.next(signal);
        for (const batch of await changeBatches(query, releases, known, signal)) {
          const { cursor } = batch.release;
          if (!to.deliver(encodeBatch(query, batch, cursor), textOf(cursor))) return;
        }
      }
    } finally {
      await reader.close();
    }
  }

  /** The group, if whoever stands at `position` lacks nothing that it has delivered already. */
  #groupFor(query: ChangeQuery, position: VersionVector): ChangeGroup | null {
    const { released } = this.#feed;
    const group = this.#groups.get(query.signature);
    if (group !== undefined) return covers(position, group.position) ? group : null;
    // A new group begins where its first member stands, once that is the present.
    if (released === null || !covers(position, released)) return null;
    const made = new ChangeGroup(query, this.#feed, this.#timers, position, () => {
      if (this.#groups.get(query.signature) === made) this.#groups.delete(query.signature);
    });
    this.#groups.set(query.signature, made);
    return made;
  }

  async #present(signal: AbortSignal): Promise<VersionVector> {
    while (!signal.aborted) {
      const { released } = this.#feed;
      if (released !== null) return released;
      await this.#timers.sleep(FEED_WAIT_MS, signal);
    }
    return EMPTY_VECTOR;
  }

  #explain(error: unknown): {
    readonly code: string;
    readonly message: string;
    readonly resync: boolean;
  } {
    if (error instanceof CursorExpired) {
      const message = `${error.message} Read the rows anew, or subscribe with initial: true.`;
      return { code: 'CURSOR_EXPIRED', message, resync: true };
    }
    if (error instanceof ResyncNeeded) {
      const message = `Transaction ${error.message} is too large to be sent change by change; read the rows anew.`;
      return { code: 'CURSOR_EXPIRED', message, resync: true };
    }
    this.#failed(error);
    const message =
      'The gateway cannot go on with this subscription; subscribe again from your cursor.';
    return { code: 'INTERNAL_SERVER_ERROR', message, resync: false };
  }
}

const BLANK = { origin: '', at: '', dot: '', cursor: null };

async function sendInitial(
  query: ChangeQuery,
  begin: VersionVector,
  known: KnownKeys,
  to: Subscription,
): Promise<void> {
  const at = textOf(begin);
  for await (const page of query.readAll(to.signal)) {
    const changes = page.map(([key, node]) => {
      known.add(key);
      return { op: 'INITIAL' as const, key, node, changedColumns: null };
    });
    // Not a cursor yet: whoever breaks off in the middle has to begin again.
    if (!to.deliver(withCursor(query.render(changes, BLANK), null), null)) return;
  }
  to.deliver(withCursor(query.render([], { ...BLANK, cursor: at }), at), at);
}

/** One subscriber: alone at first, then a member of its group. */
class Subscription implements Member {
  ahead: VersionVector | null = null;
  onEnd: () => void = () => undefined;
  readonly #sink: OperationSink;
  readonly #explain: (error: unknown) => { code: string; message: string; resync: boolean };
  readonly #stop = new AbortController();
  #group: ChangeGroup | null = null;
  #sent: string | null = null;

  constructor(
    sink: OperationSink,
    explain: (error: unknown) => { code: string; message: string; resync: boolean },
  ) {
    this.#sink = sink;
    this.#explain = explain;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Moves on while nothing that matters to this subscriber happens. */
  get cursor(): string | null {
    if (this.#group === null) return this.#sent;
    return textOf(joinVectors(this.#group.position, this.ahead ?? EMPTY_VECTOR));
  }

  join(group: ChangeGroup, position: VersionVector): void {
    if (this.signal.aborted) return;
    this.ahead = covers(group.position, position) ? null : position;
    this.#group = group;
    group.add(this);
  }

  deliver(payload: Buffer, cursor: string | null): boolean {
    if (this.signal.aborted) return false;
    if (this.#sink.next(payload, cursor)) {
      this.#sent = cursor ?? this.#sent;
      return true;
    }
    const message =
      'Changes come faster than this connection takes them; subscribe again from the cursor.';
    const extensions = this.#sent === null ? {} : { cursor: this.#sent };
    this.#finish(errorText({ code: 'SLOW_CONSUMER', message, retryable: true, extensions }));
    return false;
  }

  fail(error: unknown): void {
    if (this.signal.aborted) return;
    const { code, message, resync } = this.#explain(error);
    const { cursor } = this;
    const at = cursor === null ? {} : { cursor };
    const extensions = { ...at, ...(resync ? { resync } : {}) };
    this.#finish(errorText({ code, message, retryable: !resync, extensions }));
  }

  /** False when it had ended already. */
  end(): boolean {
    if (this.signal.aborted) return false;
    this.#stop.abort();
    this.#group?.remove(this);
    return true;
  }

  #finish(errors: string): void {
    if (!this.end()) return;
    this.onEnd();
    this.#sink.error(errors);
  }
}

function textOf(vector: VersionVector): string {
  return encodeToken(tokenOf(vector));
}
