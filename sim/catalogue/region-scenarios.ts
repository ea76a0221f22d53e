import { atLeast, COUNTER, PROBE, scenario, SHOP } from '#sim/catalogue/base.ts';
import type { ScenarioDocument } from '#sim/catalogue/catalogue.ts';

const AUDITOR = {
  topology: { regions: ['eu', 'us', 'ap'], latency: 'table:auditor' },
  workload: [SHOP, { ...PROBE, hz: 20, clients: 4 }],
};

export const REGION_SCENARIOS: readonly ScenarioDocument[] = [
  scenario(
    'calm',
    'Three regions write the same rows and nothing fails: the figures to compare with.',
    {
      expect: atLeast(0, 1, { rpo: { lost: 0 } }),
    },
  ),
  scenario(
    'rto-rpo',
    'One of three regions, 40 to 90 ms apart, is gone for 20 s: how long its users wait, and what they would lose.',
    {
      ...AUDITOR,
      faults: [{ at: '10s', do: 'kill', target: 'us', restart: '20s' }],
      heal: { at: '31s' },
      expect: atLeast(1, 0, {
        rpo: { lost: 0, stranded_max_age: '100ms' },
        rto: { write: { p95: '1s' }, read: { p95: '1s' } },
      }),
    },
  ),
  scenario('region-loss', 'A region goes down and comes back while the others write on.', {
    faults: [{ at: '10s', do: 'kill', target: 'us', restart: '12s' }],
    expect: atLeast(1, 1, { rto: { write: { p95: '3s' }, read: { p95: '3s' } } }),
  }),
  scenario(
    'region-gone',
    'A region is lost for ever with its log: what only it had is lost and counted, survivors agree.',
    {
      faults: [{ at: '15s', do: 'lose-region', target: 'us', log: 'lost' }],
      expect: atLeast(1, 1, {
        rpo: { lost: 20, stranded_max_age: '200ms' },
        except: {
          A15: 'without an eviction nothing becomes stable any more',
        },
      }),
    },
  ),
  scenario(
    'region-gone-log-left',
    'A region is lost for ever, but its log can still be read: everything that was logged arrives.',
    {
      faults: [{ at: '15s', do: 'lose-region', target: 'us', log: 'keeps' }],
      expect: atLeast(1, 1, {
        rpo: { lost: 5 },
        except: {
          A15: 'without an eviction nothing becomes stable any more',
        },
      }),
    },
  ),
  scenario('five-regions', 'Five regions around the world write the same rows; two of them part.', {
    topology: { regions: ['eu', 'us', 'ap', 'sa', 'jp'], latency: 'table:geo' },
    workload: [{ ...SHOP, rate: '6/s' }, COUNTER],
    faults: [{ at: '8s', do: 'partition', links: ['sa|jp'], for: '10s' }],
    expect: atLeast(1),
  }),
  scenario('reader', 'A region that only reads follows the other two and costs them nothing.', {
    workload: [
      { ...SHOP, regions: ['eu', 'us'] },
      { use: 'read', rate: '20/s', regions: ['ap'] },
    ],
    faults: [{ at: '10s', do: 'isolate', target: 'ap', for: '8s' }],
    expect: atLeast(1, 0),
  }),
];
