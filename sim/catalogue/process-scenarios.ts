import { atLeast, scenario } from '#sim/catalogue/base.ts';
import type { ScenarioDocument } from '#sim/catalogue/catalogue.ts';

const LOOP = ['6s', '8s', '9s', '11s', '14s', '15s', '18s', '20s'];

export const PROCESS_SCENARIOS: readonly ScenarioDocument[] = [
  scenario('crash-loop', 'A replicator is killed eight times in fifteen seconds.', {
    faults: LOOP.map((at) => ({ at, do: 'kill', target: 'us.repl', restart: '200ms' })),
    expect: atLeast(8),
  }),
  scenario(
    'killed-while-logging',
    'A replicator dies right after its log has stored a frame, five times.',
    {
      faults: [40, 80, 120, 160, 200].map((count) => ({
        after: { event: 'eu.logged', count },
        do: 'kill',
        target: 'eu.repl',
        restart: '300ms',
      })),
      expect: atLeast(5),
    },
  ),
  scenario(
    'paused',
    'A replicator stands still for ten seconds and then goes on as if nothing were.',
    {
      faults: [{ at: '8s', do: 'pause', target: 'eu.repl', for: '10s' }],
      expect: atLeast(1),
    },
  ),
  scenario(
    'double-replicator',
    'Two replicators of one region run at once: one of them waits, nothing is applied twice.',
    {
      faults: [{ at: '8s', do: 'double', target: 'us', for: '12s' }],
      expect: atLeast(1),
    },
  ),
  scenario(
    'log-tail',
    'A log loses what it acknowledged but had not synced; it comes back from the slot and from peers.',
    {
      faults: [
        {
          after: { event: 'us.logged', count: 120 },
          do: 'log.lose-tail',
          target: 'us',
          window: '2s',
        },
      ],
      expect: atLeast(1),
    },
  ),
  scenario(
    'log-recreated',
    "A region's own stream is deleted and made again: peers' copies and the slot fill it.",
    {
      faults: [{ at: '12s', do: 'log.recreate', target: 'us' }],
      expect: atLeast(1),
    },
  ),
  scenario('log-restart', 'A nats-server is killed for five seconds.', {
    faults: [{ at: '8s', do: 'kill', target: 'eu.log', restart: '5s' }],
    expect: atLeast(1),
  }),
  scenario(
    'lost-replies',
    'A fifth of all acknowledgements of a log gets lost: frames are stored, senders cannot know.',
    {
      faults: [{ at: '5s', do: 'log.lose-replies', target: 'eu', probability: 0.2, for: '15s' }],
      expect: atLeast(1),
    },
  ),
  scenario(
    'clock-skew',
    "A region's clock is two minutes ahead: it wins what is concurrent, and no more.",
    {
      faults: [{ at: '4s', do: 'clock.jump', target: 'ap', by: '+120s', for: '20s' }],
      expect: atLeast(1),
    },
  ),
  scenario(
    'clock-back',
    "A region's clock jumps back by five minutes, and its replicator restarts.",
    {
      faults: [
        { at: '6s', do: 'clock.jump', target: 'us', by: '-288s', for: '20s' },
        { at: '10s', do: 'kill', target: 'us.repl', restart: '500ms' },
      ],
      expect: atLeast(2),
    },
  ),
  scenario('clock-drift', 'Two clocks drift apart by a tenth.', {
    faults: [
      { at: '4s', do: 'clock.drift', target: 'eu', ppm: 50_000 },
      { at: '4s', do: 'clock.drift', target: 'ap', ppm: -50_000 },
    ],
    expect: atLeast(2),
  }),
];
