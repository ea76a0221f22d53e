import { freePort, isFree } from './ports.ts';

export interface RegionPorts {
  readonly postgres: number;
  readonly nats: number;
  readonly admin: number;
  readonly gateway: number;
}

/** Every port that a local cluster listens on. */
export interface ClusterPorts {
  readonly regions: Readonly<Record<string, RegionPorts>>;
  /** By `from to`: where `from` dials to reach the nats-server of `to`. */
  readonly links: Readonly<Record<string, number>>;
}

export interface ChosenPorts {
  readonly ports: ClusterPorts;
  /** Sentences about ports that could not be kept. */
  readonly moved: readonly string[];
}

const KINDS = {
  postgres: 'PostgreSQL',
  nats: 'nats-server',
  admin: 'admin page',
  gateway: 'gateway',
} as const;

/** Every ordered pair of different regions. */
export function directedPairs(
  regions: readonly string[],
): readonly { readonly from: string; readonly to: string }[] {
  return regions.flatMap((from) => regions.filter((to) => to !== from).map((to) => ({ from, to })));
}

export function linkKey(from: string, to: string): string {
  // Region names hold no space.
  return `${from} ${to}`;
}

/** Free ports for these regions: those of the last time wherever nobody else has taken them. */
export async function chooseClusterPorts(
  regions: readonly string[],
  last?: ClusterPorts,
): Promise<ChosenPorts> {
  const moved: string[] = [];
  const choose = async (what: string, wanted: number | undefined): Promise<number> => {
    if (wanted !== undefined && (await isFree(wanted))) return wanted;
    const port = await freePort();
    if (wanted !== undefined) moved.push(`port ${wanted} (${what}) is taken; it is ${port} now`);
    return port;
  };
  const chosen: Record<string, RegionPorts> = {};
  for (const region of regions) {
    const before = last?.regions[region];
    chosen[region] = {
      postgres: await choose(`${KINDS.postgres} of ${region}`, before?.postgres),
      nats: await choose(`${KINDS.nats} of ${region}`, before?.nats),
      admin: await choose(`${KINDS.admin} of ${region}`, before?.admin),
      gateway: await choose(`${KINDS.gateway} of ${region}`, before?.gateway),
    };
  }
  const links: Record<string, number> = {};
  for (const { from, to } of directedPairs(regions)) {
    const key = linkKey(from, to);
    links[key] = await choose(`link from ${from} to ${to}`, last?.links[key]);
  }
  return { ports: { regions: chosen, links }, moved };
}
