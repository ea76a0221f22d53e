import { EverywriteError } from '#core/errors.ts';
import { mutant } from '#core/mutant.ts';
import type { Random, Timers } from '#core/ports.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { KnownVersions } from '#replicator/engine/apply/known-versions.ts';

/**
 * Lets capture reach the present: a flushed mark is written, and passed once capture has folded
 * everything that committed before it. Tokens are random, so that nobody else's message passes.
 */
export class Fence {
  readonly #session: DatabaseSession;
  readonly #versions: KnownVersions;
  readonly #random: Random;
  readonly #timers: Timers;
  readonly #waiting = new Map<string, () => void>();
  readonly #ended = new AbortController();
  passed = 0;

  constructor(
    session: DatabaseSession,
    versions: KnownVersions,
    ports: { readonly random: Random; readonly timers: Timers },
  ) {
    this.#session = session;
    this.#versions = versions;
    this.#random = ports.random;
    this.#timers = ports.timers;
  }

  /** Capture met this mark. */
  met(token: string): void {
    const resolve = this.#waiting.get(token);
    this.#waiting.delete(token);
    resolve?.();
  }

  /** The pipeline ends: no mark will be met any more, and nobody waits for one with locks in hand. */
  end(): void {
    this.#ended.abort();
  }

  /**
   * Rejects when this session broke. A server that crashed took every session with it, so a session
   * opened before an answer of this one belongs to the same incarnation (hazards T3).
   */
  async sameIncarnation(): Promise<void> {
    await this.#session.flight([{ kind: 'readSnapshot' }]);
  }

  /** Rejects with FENCE_TIMEOUT after `timeoutMs`: the caller lets go of its locks and tries again. */
  async pass(timeoutMs: number): Promise<void> {
    if (mutant('fence-off')) return;
    const token = `${this.#random.u32().toString(36)}-${this.#random.u32().toString(36)}`;
    const met = new Promise<void>((resolve) => this.#waiting.set(token, resolve));
    // The snapshot comes before the mark: what had finished under it has committed before the mark.
    const [snapshot] = await this.#session.flight([
      { kind: 'readSnapshot' },
      { kind: 'emitMark', prefix: 'everywrite:mark', content: token },
    ]);
    const over = new AbortController();
    const end = (): void => over.abort();
    this.#ended.signal.addEventListener('abort', end);
    if (this.#ended.signal.aborted) end();
    const timeout = this.#timers.sleep(timeoutMs, over.signal).then(() => 'timeout' as const);
    const outcome = await Promise.race([met, timeout]);
    over.abort();
    this.#ended.signal.removeEventListener('abort', end);
    if (outcome === 'timeout' && this.#waiting.delete(token)) throw fenceTimeout(timeoutMs);
    if (snapshot?.kind === 'snapshot') {
      const { xmin, xmax } = snapshot.snapshot;
      this.#versions.raise(mutant('horizon-too-high') ? xmax : xmin);
    }
    this.passed++;
  }
}

function fenceTimeout(timeoutMs: number): EverywriteError {
  return new EverywriteError({
    code: 'FENCE_TIMEOUT',
    recovery: 'retry',
    message:
      `Capture did not reach the present within ${timeoutMs} ms; apply lets go of its row locks and ` +
      `tries again. If this repeats, the walsender is behind: look for a very large transaction.`,
  });
}
