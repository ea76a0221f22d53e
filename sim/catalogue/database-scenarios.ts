import { atLeast, scenario } from '#sim/catalogue/base.ts';
import type { ScenarioDocument } from '#sim/catalogue/catalogue.ts';

/** The engine refuses to go on under an old name, and a new one is not built yet. */
const REFUSED = 'the region refuses to go on until it joins again';
const STOPPED = {
  properties: ['A1', 'A4', 'A6', 'A7', 'A19', 'A21', 'A32'],
};

export const DATABASE_SCENARIOS: readonly ScenarioDocument[] = [
  scenario('database-crash', 'A PostgreSQL is killed and recovers, again and again, under load.', {
    faults: ['6s', '11s', '17s'].map((at) => ({ at, do: 'kill', target: 'eu.pg', restart: '2s' })),
    expect: atLeast(3),
  }),
  scenario(
    'slot-rewind',
    'After a crash the slot sends again what it had sent before: nothing counts twice.',
    {
      faults: [
        { after: { event: 'eu.confirm', count: 20 }, do: 'slot.rewind', target: 'eu' },
        { at: '20s', do: 'slot.rewind', target: 'us' },
      ],
      expect: atLeast(2),
    },
  ),
  scenario(
    'promoted-standby',
    'A standby without the last second takes over: the region refuses to reuse names.',
    {
      faults: [{ at: '10s', do: 'pg.promote', target: 'us', lost: '1s' }],
      expect: atLeast(1, 0, {
        ...STOPPED,
        except: { A3: REFUSED, A27: REFUSED },
        rpo: { lost: 1_000_000 },
      }),
    },
  ),
  scenario(
    'old-backup',
    'A database is restored from a backup: the region refuses to reuse names.',
    {
      faults: [{ at: '12s', do: 'pg.restore', target: 'us', age: '5s' }],
      expect: atLeast(1, 0, {
        ...STOPPED,
        except: { A3: REFUSED, A27: REFUSED },
        rpo: { lost: 1_000_000 },
      }),
    },
  ),
  scenario('disk-full', 'A database cannot write for eight seconds.', {
    faults: [{ at: '8s', do: 'pg.disk-full', target: 'ap', for: '8s' }],
    expect: atLeast(1),
  }),
  scenario(
    'log-full',
    'A log refuses to store for eight seconds: the slot holds what is not logged.',
    {
      faults: [{ at: '8s', do: 'log.full', target: 'eu', for: '8s' }],
      expect: atLeast(1),
    },
  ),
  scenario('slow-disk', 'Every flush of a database takes 200 ms.', {
    faults: [{ at: '6s', do: 'pg.slow-io', target: 'eu', fsync: '200ms', for: '15s' }],
    expect: atLeast(1),
  }),
];
