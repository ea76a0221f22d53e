import { setTimeout as sleep } from 'node:timers/promises';
import type { NamedProcess } from './cpu.ts';
import type { Node } from './node.ts';

const EQUAL_TIMEOUT_MS = 60_000;
const EQUAL_POLL_MS = 250;

/** Two nodes that replicate to each other. Load goes to `origin`, and is looked for on `target`. */
export interface Pair {
  readonly name: 'ours' | 'native';
  readonly origin: Node;
  readonly target: Node;
  /** From when it resolves nothing of the origin reaches the target. */
  cut(): Promise<void>;
  /** Resolves when all that can be done while cut is done, `transactions` after `cut`. */
  untilBacklogged(transactions: number): Promise<void>;
  heal(): Promise<void>;
  /** Also stops what reads the origin's WAL; `heal` starts it again. */
  cutAtOrigin(): Promise<void>;
  processes(): Promise<readonly NamedProcess[]>;
  /** Begins or ends a CPU profile; false when none was asked for, or nothing can be profiled. */
  toggleProfile(): boolean;
  /** Bytes that passed between the nodes, both ways; counted only between `countLink` calls. */
  countLink(on: 'on' | 'off'): Promise<void>;
  linkBytes(): number;
  close(): Promise<void>;
}

export class NodesDiffer extends Error {
  override readonly name = 'NodesDiffer';
}

/** Throws unless both nodes come to hold the same rows. */
export async function requireEqualRows(pair: Pair): Promise<void> {
  const deadline = performance.now() + EQUAL_TIMEOUT_MS;
  let origin = '';
  let target = '';
  while (performance.now() < deadline) {
    [origin, target] = await Promise.all([pair.origin.digest(), pair.target.digest()]);
    if (origin === target) return;
    await sleep(EQUAL_POLL_MS);
  }
  throw new NodesDiffer(`${pair.name}: rows differ: origin ${origin}; target ${target}`);
}

/** The same work on a tidy table for whoever comes first. */
export async function vacuum(pair: Pair): Promise<void> {
  for (const { control } of [pair.origin, pair.target]) await control.query('VACUUM');
}
