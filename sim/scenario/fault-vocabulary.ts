import { duration, number, oneOf, optional, required, text, list } from '#sim/scenario/reader.ts';
import type { Field } from '#sim/scenario/reader.ts';

/** A fault that a scenario can name: for reading, for `sim list faults`, and for the swarm. */
export interface FaultWord {
  readonly name: string;
  readonly about: string;
  /** Its keys beside `at`, `after`, `do` and `for`. */
  readonly fields: Readonly<Record<string, Field<unknown>>>;
  /** What the keys mean and what the swarm draws. */
  readonly keys: string;
  /** Something that happens at once, and has no end to wait for. */
  readonly instant: boolean;
}

const target = required(text);
const links = required(list(text));
const probability = optional(number(0, 1), 0.1);

function word(
  name: string,
  about: string,
  keys: string,
  fields: FaultWord['fields'],
  instant = false,
): FaultWord {
  return { name, about, keys, fields, instant };
}

export const FAULT_WORDS: readonly FaultWord[] = [
  word(
    'kill',
    'kill -9 of a process; it starts again after `restart`, or when the fault ends',
    'target eu.repl, eu.pg, eu.log or eu; restart 0.1s to 20s',
    { target, restart: optional(duration(), 1_000) },
  ),
  word(
    'pause',
    'a process stands still and then goes on (SIGSTOP, a long collection)',
    'target; for 50ms to 60s',
    {
      target,
    },
  ),
  word(
    'partition',
    'nothing passes in the named directions; stopped: lost, jammed: queued and released at once',
    'links [eu>us, us>eu] or [eu|us] for both ways, [eu|*] for all; mode stopped, jammed; for 0.1s to 60s',
    { links, mode: optional(oneOf(['stopped', 'jammed'] as const), 'stopped' as const) },
  ),
  word(
    'isolate',
    'a region is cut off from all others, both ways',
    'target eu; mode stopped, jammed; for 0.1s to 60s',
    { target, mode: optional(oneOf(['stopped', 'jammed'] as const), 'stopped' as const) },
  ),
  word(
    'flap',
    'the links of a region go down and up again and again',
    'target eu; period 0.2s to 30s; down 0.1 to 0.9 of it',
    { target, period: optional(duration(10), 2_000), down: optional(number(0.01, 0.99), 0.5) },
  ),
  word('slow', 'links take longer', 'links; add 10ms to 2s; jitter', {
    links,
    add: required(duration()),
    jitter: optional(duration(), 0),
  }),
  word(
    'loss',
    'packets are lost: on a TCP connection that shows as stalls and resets',
    'links; probability 0 to 0.3',
    {
      links,
      probability,
    },
  ),
  word(
    'clock.jump',
    "a region's wall clock jumps, and jumps back at the end",
    'target eu; by -288s to +288s',
    {
      target,
      by: required(duration(-86_400_000)),
    },
  ),
  word(
    'clock.drift',
    "a region's wall clock runs fast or slow",
    'target eu; ppm -100000 to 100000',
    {
      target,
      ppm: required(number(-900_000, 1_000_000)),
    },
  ),
  word(
    'log.lose-tail',
    "power failure of a region's log: what it acknowledged in the last `window` is gone",
    'target eu; window 1s to 120s',
    { target, window: required(duration()) },
    true,
  ),
  word(
    'log.recreate',
    "a region's own stream is deleted and made again, from sequence 1",
    'target eu',
    { target },
    true,
  ),
  word('log.full', "a region's log refuses to store", 'target eu; for 1s to 60s', { target }),
  word(
    'log.lose-replies',
    'frames are stored, but their acknowledgements get lost',
    'target eu; probability 0 to 0.2',
    {
      target,
      probability,
    },
  ),
  word(
    'slot.rewind',
    'the server crashes, and its slot goes back to the last checkpoint: transactions are sent again',
    'target eu',
    { target },
    true,
  ),
  word(
    'pg.promote',
    'a standby takes over without the last commits: another timeline',
    'target eu; lost 0s to 5s',
    { target, lost: required(duration()) },
    true,
  ),
  word(
    'pg.restore',
    'the database is restored from a backup',
    'target eu; age 1s to 30m',
    {
      target,
      age: required(duration()),
    },
    true,
  ),
  word('pg.disk-full', 'the database cannot write', 'target eu; for 1s to 60s', { target }),
  word('pg.slow-io', 'every flush of the database takes this long', 'target eu; fsync 1ms to 5s', {
    target,
    fsync: required(duration()),
  }),
  word(
    'pg.power-loss',
    'the database’s machine loses power: nobody is told, and what was not flushed is gone',
    'target eu',
    { target },
    true,
  ),
  word('pg.cut', 'every connection to the database breaks', 'target eu', { target }, true),
  word(
    'pg.sync-standby',
    'commits wait for a standby, and the slot delivers them before anybody sees them',
    'target eu; delay 1ms to 2s',
    { target, delay: required(duration()) },
  ),
  word(
    'pg.slow-stream',
    'what the database sends to its replicator takes longer: capture is behind what is committed',
    'target eu; add 1ms to 2s',
    { target, add: required(duration()) },
  ),
  word(
    'double',
    'a second replicator of the region runs beside the first',
    'target eu; for 1s to 60s',
    {
      target,
    },
  ),
  word(
    'lose-region',
    'a region is gone for ever: database, log and replicator; `log: keeps` leaves its log readable',
    'target eu; log keeps, lost',
    { target, log: optional(oneOf(['keeps', 'lost'] as const), 'lost' as const) },
    true,
  ),
];

export const FAULT_NAMES: readonly string[] = FAULT_WORDS.map(({ name }) => name);

/** Moments that `after: {event, count}` can name; each prefixed with a region: `eu.logged`. */
export const TRIGGERS: Readonly<Record<string, string>> = {
  commit: 'an application commits in the region',
  ack: 'a client is told that its write is committed',
  logged: "the region's log stores a frame of its own transactions",
  copied: "the region's log stores a copy of another region's frame",
  apply: 'the region commits transactions of others',
  confirm: 'the confirmed position of the slot moves',
  conflict: 'a conflict is recorded',
  quarantine: 'a row is refused and put aside',
};
