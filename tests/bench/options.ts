import { parseArgs } from 'node:util';

/** How large one run is: `--quick` shows that everything works, the full one is for the record. */
export interface Sizes {
  readonly accounts: number;
  /** Single-row update transactions of one outage; bulk inserts come to as many rows. */
  readonly outageRows: number;
  readonly hotKeys: number;
  readonly backlogRows: number;
  readonly linkRows: number;
  readonly loadSeconds: number;
  readonly lagSeconds: number;
}

export interface BenchOptions {
  readonly sizes: Sizes;
  /** Past it no further run begins, and no further part. */
  readonly secondsMax: number;
  readonly quick: boolean;
  readonly json: boolean;
  readonly runs: number;
  /** Part of a part's name; every part without it. */
  readonly only: string | undefined;
  /** Where CPU profiles of the replicators during catch-up go; none without it. */
  readonly profileDir: string | undefined;
}

export const USAGE = `npm run bench:replication -- [options]
  --quick        small sizes, one run: under three minutes
  --runs N       runs of each measurement; medians are printed (3, or 1 with --quick)
  --only NAME    only parts whose name contains NAME
  --rows N       transactions of one outage (200000, or 20000 with --quick)
  --profile DIR  write CPU profiles of the replicators: two for each catch-up, while the
                 backlog is made and while it drains (see profile-summary.ts)
  --json         one JSON document on standard output instead of the table
`;

const FULL_SECONDS_MAX = 17 * 60;
const QUICK_SECONDS_MAX = 140;

const FULL: Sizes = {
  accounts: 200_000,
  outageRows: 200_000,
  hotKeys: 10_000,
  backlogRows: 1_000_000,
  linkRows: 20_000,
  loadSeconds: 10,
  lagSeconds: 10,
};

const QUICK: Sizes = {
  ...FULL,
  outageRows: 20_000,
  backlogRows: 50_000,
  linkRows: 5_000,
  loadSeconds: 3,
  lagSeconds: 3,
};

export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      runs: { type: 'string' },
      only: { type: 'string' },
      rows: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const sizes = values.quick ? QUICK : FULL;
  return {
    quick: values.quick,
    secondsMax: values.quick ? QUICK_SECONDS_MAX : FULL_SECONDS_MAX,
    json: values.json,
    runs: count('--runs', values.runs, values.quick ? 1 : 3),
    only: values.only,
    sizes: { ...sizes, outageRows: count('--rows', values.rows, sizes.outageRows) },
    profileDir: values.profile,
  };
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`${name} must be a whole number above 0, not "${text}"`);
}
