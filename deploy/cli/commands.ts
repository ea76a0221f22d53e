import type { Command } from '#deploy/cli/command.ts';

/** A command in the list; its module is loaded only when it is meant. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every subcommand, in the order in which a new user meets them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'three regions on this machine, written to everywhere, cut and healed',
    load: async () => (await import('#deploy/cli/commands/demo.ts')).demo,
  },
  {
    name: 'up',
    summary: 'run a whole cluster on this machine',
    load: async () => (await import('#deploy/cli/commands/up.ts')).up,
  },
  {
    name: 'link',
    summary: 'cut, heal and slow down the links of a local cluster',
    load: async () => (await import('#deploy/cli/commands/link.ts')).link,
  },
  {
    name: 'init',
    summary: "prepare one region's database for replication",
    load: async () => (await import('#deploy/cli/commands/init.ts')).init,
  },
  {
    name: 'run',
    summary: "run one region's replicator",
    load: async () => (await import('#deploy/cli/commands/run.ts')).run,
  },
  {
    name: 'gateway',
    summary: "serve one region's database as GraphQL",
    load: async () => (await import('#deploy/cli/commands/gateway.ts')).gateway,
  },
  {
    name: 'status',
    summary: 'show how every region stands with every other',
    load: async () => (await import('#deploy/cli/commands/status.ts')).status,
  },
  {
    name: 'verify',
    summary: 'compare all regions row by row',
    load: async () => (await import('#deploy/cli/commands/verify.ts')).verify,
  },
  {
    name: 'conflicts',
    summary: 'what concurrent writes lost, why, and putting it back',
    load: async () => (await import('#deploy/cli/commands/conflicts.ts')).conflicts,
  },
  {
    name: 'quarantine',
    summary: 'rows that a table refuses: see, try again, give up',
    load: async () => (await import('#deploy/cli/commands/quarantine.ts')).quarantine,
  },
  {
    name: 'explain',
    summary: 'why a row is as it is: who wrote each column, and what it beat',
    load: async () => (await import('#deploy/cli/commands/explain.ts')).explain,
  },
  {
    name: 'doctor',
    summary: 'check a region and say how to mend what is wrong',
    load: async () => (await import('#deploy/cli/commands/doctor.ts')).doctor,
  },
];
