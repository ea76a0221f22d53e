import { atLeast, COUNTER, PROBE, scenario, SHOP } from '#sim/catalogue/base.ts';
import type { ScenarioDocument } from '#sim/catalogue/catalogue.ts';

export const NETWORK_SCENARIOS: readonly ScenarioDocument[] = [
  scenario('partition', 'A region is cut off both ways, all go on writing, and meet again.', {
    faults: [{ at: '8s', do: 'isolate', target: 'us', for: '15s' }],
    expect: atLeast(1),
  }),
  scenario(
    'partition-jammed',
    'What a cut-off region had sent arrives all at once when the link opens.',
    {
      faults: [{ at: '8s', do: 'isolate', target: 'us', mode: 'jammed', for: '12s' }],
      expect: atLeast(1),
    },
  ),
  scenario(
    'one-way',
    'One direction of one link fails: the third region carries the transactions.',
    {
      faults: [{ at: '8s', do: 'partition', links: ['eu>us'], for: '15s' }],
      expect: atLeast(1),
    },
  ),
  scenario('ring', 'Each region reaches only the next one: transactions go round.', {
    faults: [{ at: '8s', do: 'partition', links: ['us>eu', 'ap>us', 'eu>ap'], for: '15s' }],
    expect: atLeast(1),
  }),
  scenario('flapping', "A region's links go down and up every second.", {
    faults: [{ at: '6s', do: 'flap', target: 'ap', period: '1s', down: 0.5, for: '15s' }],
    expect: atLeast(1),
  }),
  scenario(
    'slow-link',
    'A link gets a second slower: its two regions lag, nobody waits for them.',
    {
      faults: [{ at: '6s', do: 'slow', links: ['eu|ap'], add: '1s', jitter: '100ms', for: '18s' }],
      expect: atLeast(1),
    },
  ),
  scenario('lossy-link', 'A tenth of the packets on a link is lost.', {
    faults: [{ at: '6s', do: 'loss', links: ['eu|us'], probability: 0.1, for: '18s' }],
    expect: atLeast(1),
  }),
  scenario(
    'long-isolation',
    'A region is away for a minute while rows are deleted and inserted again on both sides.',
    {
      workload: [{ use: 'churn', rate: '8/s', keys: 12 }, COUNTER, PROBE],
      faults: [{ at: '5s', do: 'isolate', target: 'ap', for: '60s' }],
      heal: { at: '66s' },
      expect: atLeast(1, 5),
    },
  ),
  scenario(
    'backlog',
    'A region comes back to thousands of transactions and drains them while all write on.',
    {
      workload: [{ ...SHOP, rate: '50/s', keys: 200 }, COUNTER],
      faults: [{ at: '3s', do: 'isolate', target: 'us', for: '20s' }],
      heal: { at: '24s' },
      expect: { at_least: { writes: 1_500, conflicts: 1, faults: 1 } },
    },
  ),
];
