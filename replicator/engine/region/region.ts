import { asEverywriteError } from '#core/errors.ts';
import type { EverywriteError } from '#core/errors.ts';
import type { RegionOptions, RegionPorts } from '#replicator/engine/region/ports.ts';
import { startPipeline } from '#replicator/engine/region/pipeline.ts';
import type { Pipeline } from '#replicator/engine/region/pipeline.ts';
import { BLANK_STATUS, describeError } from '#replicator/engine/region/status.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 1000;
// What a person must mend is looked at again at this pace.
const OPERATOR_WAIT_MS = 5000;
// A pipeline that ran for so long had a right to: what broke it then is news, and worth a quick try.
const HEALTHY_AFTER_MS = 1000;
const SLOT_WAIT_MS = 200;

/**
 * One region's replicator. Crash-only: whatever goes wrong, the pipeline is thrown away with all it
 * believed about the server, and starts again from what is durable.
 */
export class Region {
  readonly #ports: RegionPorts;
  readonly #options: RegionOptions;
  #pipeline: Pipeline | null = null;
  #phase: RegionStatus['phase'] = 'starting';
  #error: EverywriteError | null = null;
  #attempts = 0;
  #runningSinceMs: number | null = null;

  constructor(ports: RegionPorts, options: RegionOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /**
   * Runs until `signal` aborts. Errors that need a person are shown in the status and tried again at
   * the slowest pace: what the person mends is then picked up without a restart.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, timers, logger } = this.#ports;
    while (!signal.aborted) {
      this.#runningSinceMs = null;
      try {
        await this.#once(signal);
      } catch (error) {
        this.#error = asEverywriteError(error, 'STREAM_FAILED');
        const { code, message, recovery } = this.#error;
        if (code === 'SLOT_BUSY') {
          if (this.#phase !== 'waiting')
            logger.log('info', 'another replicator has the slot; waiting');
          this.#phase = 'waiting';
          await timers.sleep(SLOT_WAIT_MS, signal);
          continue;
        }
        const level = recovery === 'operator' ? 'error' : 'warn';
        const { cause } = this.#error;
        const because = cause instanceof Error ? cause.message : undefined;
        logger.log(level, 'pipeline stopped', { code, error: message, cause: because });
      }
      if (signal.aborted) break;
      this.#phase = 'starting';
      const since = this.#runningSinceMs ?? Infinity;
      const healthy = clock.monotonicMs() - since > HEALTHY_AFTER_MS;
      this.#attempts = healthy ? 0 : this.#attempts + 1;
      const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#attempts, 10));
      await timers.sleep(this.#error?.recovery === 'operator' ? OPERATOR_WAIT_MS : backoff, signal);
    }
    this.#phase = 'stopped';
  }

  status(): RegionStatus {
    const error = describeError(this.#error);
    const running = this.#pipeline?.status();
    if (running !== undefined) return { ...running, error: running.error ?? error };
    return { ...BLANK_STATUS, region: this.#options.region, phase: this.#phase, error };
  }

  /** Tries rows in quarantine again now; how many, or null while no pipeline runs. */
  retryQuarantined(relation: string | null, key: string | null): number | null {
    return this.#pipeline?.retryQuarantined(relation, key) ?? null;
  }

  async #once(signal: AbortSignal): Promise<void> {
    this.#ports.database.forget();
    const pipeline = await startPipeline(this.#ports, this.#options, signal, (phase) => {
      this.#phase = phase;
    });
    this.#pipeline = pipeline;
    this.#phase = 'running';
    this.#runningSinceMs = this.#ports.clock.monotonicMs();
    this.#error = null;
    try {
      await pipeline.run(signal);
    } finally {
      this.#pipeline = null;
      await pipeline.close();
    }
  }
}
