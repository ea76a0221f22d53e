import type { RegionId } from '#core/region.ts';
import type { HistoryEvent } from '#sim/history/event.ts';
import type { LinkLatency, TransactResult, World } from '#sim/run/world.ts';
import type { PlannedOperation } from '#sim/workload/operation.ts';

/** How long a client waits for an answer; what a load balancer with a strict health check would wait. */
const TIMEOUT_MS = 300;
/** An application waits longer than a probe: it has nowhere else to go. */
const STAY_TIMEOUT_MS = 10_000;
/** A client that turned to another region looks at its own again after this long. */
const RETURN_AFTER_MS = 15_000;

/** Sends the planned operations at their times, whether or not earlier ones have been answered. */
export class ClientDriver {
  readonly #world: World;
  readonly #regions: readonly RegionId[];
  readonly #latency: readonly LinkLatency[];
  readonly #record: (event: HistoryEvent) => void;
  /** Where a roaming client goes while it does not trust its own region. */
  readonly #away = new Map<string, { readonly region: RegionId; readonly untilUs: number }>();
  #nextOp = 1;
  outstanding = 0;

  constructor(
    world: World,
    regions: readonly RegionId[],
    latency: readonly LinkLatency[],
    record: (event: HistoryEvent) => void,
  ) {
    this.#world = world;
    this.#regions = regions;
    this.#latency = latency;
    this.#record = record;
  }

  schedule(operations: readonly PlannedOperation[]): void {
    for (const operation of operations) {
      const delayUs = Math.max(0, operation.atUs - this.#world.nowUs());
      this.#world.after(delayUs, () => this.#send(operation));
    }
  }

  #send(operation: PlannedOperation): void {
    const op = this.#nextOp++;
    const region = this.#regionFor(operation);
    const { client, home, action, what, atUs: scheduledUs } = operation;
    const atUs = this.#world.nowUs();
    this.#record({ kind: 'invoke', atUs, scheduledUs, op, client, region, home, action, what });
    this.outstanding += 1;
    const wayUs = this.#wayUs(home, region);
    this.#world.after(wayUs, () => void this.#transact(operation, op, region, wayUs));
  }

  async #transact(
    { steps, holdMs, roams, client, home }: PlannedOperation,
    op: number,
    region: RegionId,
    wayUs: number,
  ): Promise<void> {
    const timeoutMs = roams ? TIMEOUT_MS : STAY_TIMEOUT_MS + holdMs;
    const result = await this.#world.transact(region, { op, steps, holdMs, timeoutMs });
    this.#world.after(wayUs, () => {
      this.outstanding -= 1;
      if (roams && result.kind === 'unknown') this.#leave(client, home, region);
      if (roams && result.kind === 'failed' && !/^(23|40)/.test(result.error))
        this.#leave(client, home, region);
      this.#record(answer(this.#world.nowUs(), op, result));
    });
  }

  #regionFor({ roams, client, home }: PlannedOperation): RegionId {
    const away = this.#away.get(client);
    if (!roams || away === undefined) return home;
    if (away.untilUs > this.#world.nowUs()) return away.region;
    this.#away.delete(client);
    return home;
  }

  /** To the nearest region that is not the one that failed. */
  #leave(client: string, home: RegionId, failed: RegionId): void {
    const others = this.#regions.filter((region) => region !== failed);
    const [nearest] = others.toSorted((l, r) => this.#wayUs(home, l) - this.#wayUs(home, r));
    if (nearest === undefined) return;
    const untilUs = this.#world.nowUs() + RETURN_AFTER_MS * 1_000;
    if (nearest === home) this.#away.delete(client);
    else this.#away.set(client, { region: nearest, untilUs });
  }

  #wayUs(from: RegionId, to: RegionId): number {
    if (from === to) return 0;
    const link = this.#latency.find((candidate) => candidate.from === from && candidate.to === to);
    return Math.round((link?.ms ?? 50) * 1_000);
  }
}

function answer(atUs: number, op: number, result: TransactResult): HistoryEvent {
  switch (result.kind) {
    case 'committed': {
      const { commitLsn, rows } = result;
      return { kind: 'ok', atUs, op, commitLsn, error: null, rows };
    }
    case 'failed':
      return { kind: 'fail', atUs, op, commitLsn: null, error: result.error, rows: [] };
    default:
      return { kind: 'info', atUs, op, commitLsn: null, error: result.error, rows: [] };
  }
}
