import { EverywriteError } from '#core/errors.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import type { LocalCluster } from './cluster.ts';
import type { CutMode, LinkProxy, LinkStats } from './link-proxy.ts';

/**
 * What a person wants of the network. No region means all links, one region all of its links, two the
 * link between them; always in both directions.
 */
export type LinkOrder =
  | { readonly kind: 'cut'; readonly regions: readonly string[]; readonly mode: CutMode }
  | { readonly kind: 'heal'; readonly regions: readonly string[] }
  | { readonly kind: 'delay'; readonly regions: readonly string[]; readonly delayMs: number };

/** One direction of a link: `from` dials, `to` answers. */
export interface LinkView extends LinkStats {
  readonly from: string;
  readonly to: string;
}

type Network = Pick<LocalCluster, 'regions' | 'links'>;

export const DELAY_MAX_MS = 60_000;

export function linkViews(cluster: Network): readonly LinkView[] {
  return cluster.links().map(({ from, to, proxy }) => ({ from, to, ...proxy.stats() }));
}

/** USAGE, with the nearest name, for a region that is not there. */
export function followOrder(cluster: Network, order: LinkOrder): void {
  for (const proxy of linksOf(cluster, order.regions)) {
    if (order.kind === 'cut') proxy.cut(order.mode);
    else if (order.kind === 'heal') proxy.heal();
    else proxy.setDelay(order.delayMs);
  }
}

/** Reads an order that came over HTTP. */
export function parseOrder(value: unknown): LinkOrder {
  const { kind, regions, mode, delayMs } = Object(value) as Readonly<Record<string, unknown>>;
  if (!Array.isArray(regions) || !regions.every((name) => typeof name === 'string')) {
    throw usage('An order to the links names its regions: {"kind":"cut","regions":["eu","us"]}.');
  }
  if (kind === 'heal') return { kind, regions };
  if (kind === 'cut' && (mode === 'drop' || mode === 'reset')) return { kind, regions, mode };
  if (kind === 'delay' && typeof delayMs === 'number' && delayMs >= 0 && delayMs <= DELAY_MAX_MS) {
    return { kind, regions, delayMs };
  }
  throw usage('An order to the links is "cut" with a mode, "heal", or "delay" with delayMs.');
}

function linksOf(cluster: Network, names: readonly string[]): readonly LinkProxy[] {
  const known = [...cluster.regions.keys()];
  for (const name of names) {
    if (known.includes(name)) continue;
    const list = known.join(', ');
    throw usage(`There is no region "${name}"; there are ${list}.${didYouMean(name, known)}`);
  }
  if (names.length > 2) throw usage('A link is between two regions; more than two were named.');
  const [one, other] = names;
  if (one !== undefined && one === other) throw usage(`There is no link from ${one} to itself.`);
  return cluster
    .links()
    .filter(({ from, to }) => names.every((name) => name === from || name === to))
    .map(({ proxy }) => proxy);
}

function usage(message: string): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message });
}
