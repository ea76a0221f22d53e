import { must } from '#core/assert.ts';
import { formatMs } from '#deploy/cli/quantities.ts';
import { audit, isClean, readShop } from '#deploy/demo/audit.ts';
import type { Audit, ShopContent } from '#deploy/demo/audit.ts';
import { choose, EXAMPLES_QUERY } from '#deploy/demo/conflict-sentences.ts';
import type { RecordedConflict } from '#deploy/demo/conflict-sentences.ts';
import type { DemoReport } from '#deploy/demo/demo-report.ts';
import type { Ledger } from '#deploy/demo/ledger.ts';
import { conflictCount } from '#deploy/demo/observer.ts';
import { openShopSession } from '#deploy/demo/shop-session.ts';
import type { Stage } from '#deploy/demo/stage.ts';
import type { StepList } from '#deploy/demo/step-list.ts';
import { Quiescence } from '#deploy/verify/quiescence.ts';
import { verifyRegions } from '#deploy/verify/verify-regions.ts';

const SETTLE_MAX_MS = 60_000;
const VERIFY_MAX_MS = 10_000;
const ROWS_SHOWN = 5;
const EXAMPLES = 3;

type Checked = Pick<
  DemoReport,
  'ok' | 'converged' | 'conflicts' | 'examples' | 'settledAfterMs' | 'audits' | 'verify'
>;

/** Waits until nothing moves, compares all regions, and holds each against the ledger. */
export async function compareAll(
  stage: Stage,
  steps: StepList,
  expected: { readonly before: ShopContent; readonly ledger: Ledger },
  signal: AbortSignal,
): Promise<Checked> {
  const { config } = stage.cluster;
  const regions = [...config.regions.values()];
  const settled = await steps.do(
    'settling',
    async () => {
      const quiescence = await Quiescence.open(config, regions, signal);
      try {
        return await quiescence.settle(SETTLE_MAX_MS);
      } finally {
        await quiescence.close();
      }
    },
    (one) =>
      one.kind === 'settled' ? `at rest after ${formatMs(one.waitedMs)}` : 'did NOT come to rest',
  );
  steps.begin('comparing');
  const options = { regions, tables: '*.*', timeoutMs: VERIFY_MAX_MS, examplesMax: ROWS_SHOWN };
  const verify = await verifyRegions(config, options, signal);
  const found = await lookEverywhere(stage, expected);
  const converged = verify.verdict === 'equal' && settled.kind === 'settled';
  const clean = found.audits.every(isClean);
  const quarantined = Object.values(verify.quarantined).some((count) => count !== 0);
  steps.end('comparing', converged ? 'equal' : 'DIFFERENT');
  return {
    ok: converged && clean && !quarantined && verify.conflicts.same,
    converged,
    settledAfterMs: settled.kind === 'settled' ? settled.waitedMs : null,
    verify,
    ...found,
  };
}

async function lookEverywhere(
  { urls }: Stage,
  { before, ledger }: { readonly before: ShopContent; readonly ledger: Ledger },
): Promise<Pick<Checked, 'audits' | 'conflicts' | 'examples'>> {
  const audits: Audit[] = [];
  let conflicts = 0;
  let examples: readonly RecordedConflict[] = [];
  for (const [region, url] of urls) {
    const session = await openShopSession(region, url);
    const { client } = session;
    try {
      audits.push(audit(region, before, ledger, await readShop(client)));
      if (audits.length > 1) continue;
      conflicts = await conflictCount(session);
      examples = choose((await client.query<RecordedConflict>(EXAMPLES_QUERY)).rows, EXAMPLES);
    } finally {
      await client.end();
    }
  }
  must(audits[0], 'an audit');
  return { audits, conflicts, examples };
}
