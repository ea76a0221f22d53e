import { isFor } from '#sim/check/fault-intervals.ts';
import { broken, holds, judge, unknown } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import { convergedUs } from '#sim/check/converged.ts';
import type { Truth } from '#sim/check/truth.ts';

/** Refusals that an application of an ordinary PostgreSQL has to expect. */
const DOCUMENTED = /^(40001|40P01|55P03|57014|23\d{3}|57P0\d|08\d{3}|53\d{3}|25P0\d)$/;
/** The client's own patience: behind a queue of locks it had no answer. */
const GAVE_UP = 'TIMEOUT';
/** Of a hundred operations of a healthy region, this many at least succeed. */
const AVAILABLE_PERCENT = 95;
const RESTORED_FACTOR_MAX = 4;

/** A27. When the faults are over, all regions come to hold all, within the bound. */
export function convergesInTime(truth: Truth): Verdict {
  const { healUs, endUs, convergeWithinUs } = truth.frame;
  const at = convergedUs(truth);
  if (at !== null && at - healUs <= convergeWithinUs)
    return holds(`in ${seconds(Math.max(0, at - healUs))} of ${seconds(convergeWithinUs)}`);
  if (at === null && endUs - healUs < convergeWithinUs)
    return unknown(`the run ended ${seconds(endUs - healUs)} after the heal`);
  const late = at === null ? 'never' : `only after ${seconds(at - healUs)}`;
  const witness: Witness = {
    atUs: healUs + convergeWithinUs,
    signature: 'regions do not converge in time',
    text: `${seconds(convergeWithinUs)} after the heal not every region held everything; they did ${late}`,
    about: [...truth.surviving()],
  };
  return broken(late, [witness]);
}

/** A28. Work is bounded: each frame is stored about once per region, and nothing is tried for ever. */
export function workBounded(truth: Truth): Verdict {
  let stored = 0;
  const distinct = new Set<string>();
  for (const event of truth.events) {
    if (event.kind !== 'logged' || event.transactions.length === 0) continue;
    stored += 1;
    distinct.add(`${event.region} ${event.replica} ${event.endLsn} ${event.part}`);
  }
  const factor = distinct.size === 0 ? 0 : stored / distinct.size;
  if (factor <= RESTORED_FACTOR_MAX) return judge(distinct.size, 'stored frames', []);
  const witness: Witness = {
    atUs: truth.frame.endUs,
    signature: 'frames are stored again and again',
    text: `${stored} frames stored for ${distinct.size} different ones`,
    about: [],
  };
  return broken(`factor ${factor.toFixed(1)}`, [witness]);
}

/** A29. A region whose own database is up serves its clients, whatever the others do. */
export function availableAlone(truth: Truth): Verdict {
  const down = isFor(truth, (target, region) => target === region || target === `${region}.pg`);
  let asked = 0;
  let served = 0;
  const witnesses: Witness[] = [];
  for (const { invoke, complete } of truth.operations) {
    if (invoke.atUs > truth.frame.endUs - 5_000_000) continue;
    if (down(invoke.region, invoke.atUs, complete?.atUs ?? truth.frame.endUs)) continue;
    asked += 1;
    const gaveUp = complete?.error === GAVE_UP;
    if (!gaveUp && (complete?.kind === 'ok' || complete?.kind === 'fail')) served += 1;
    const error = complete?.kind === 'fail' && !gaveUp ? (complete.error ?? 'none') : null;
    if (error === null || DOCUMENTED.test(error)) continue;
    witnesses.push({
      atUs: complete?.atUs ?? invoke.atUs,
      signature: `an undocumented error: ${error}`,
      text: `${invoke.client} in ${invoke.region}: ${invoke.what} failed with ${error}`,
      about: [invoke.region],
    });
  }
  if (witnesses.length === 0 && asked > 0 && served * 100 < asked * AVAILABLE_PERCENT) {
    witnesses.push({
      atUs: truth.frame.endUs,
      signature: 'healthy regions did not answer',
      text: `${asked - served} of ${asked} operations in regions with a healthy database had no answer`,
      about: [],
    });
  }
  return judge(asked, 'operations in healthy regions', witnesses);
}

// What capture counts for one (replicator/engine/region/pipeline.ts).
const HEARTBEAT_BYTES = 100;

/** A15. Metadata is gone when all have all: what is remembered after the quiet end is bounded. */
export function metadataBounded(truth: Truth): Verdict {
  const last = new Map<string, Readonly<Record<string, number>>>();
  for (const event of truth.events)
    if (event.kind === 'gauge') last.set(event.region, event.values);
  if (last.size === 0) return unknown('no gauge was read');
  if (convergedUs(truth) === null) return unknown('not at rest');
  const witnesses: Witness[] = [];
  for (const [region, values] of last) {
    for (const name of ['indexKeys', 'dirtyKeys', 'queuedTransactions', 'unpublishedBytes']) {
      const left = values[name] ?? 0;
      // A heartbeat may be on its way to the log at any moment.
      if (left === 0 || (name === 'unpublishedBytes' && left <= HEARTBEAT_BYTES)) continue;
      witnesses.push({
        atUs: truth.frame.endUs,
        signature: `${name} are left at rest`,
        text: `${region} still holds ${left} ${name} at the quiet end`,
        about: [region],
      });
    }
  }
  return judge(last.size * 4, 'gauges at rest', witnesses);
}

/** A30. The run, repeated, is the same run. */
export function deterministic({ frame: { repeated } }: Truth): Verdict {
  if (repeated.kind === 'no') return unknown('the run was not repeated');
  if (repeated.kind === 'same') return holds(repeated.text);
  const witness: Witness = {
    atUs: 0,
    signature: 'not deterministic',
    text: repeated.text,
    about: [],
  };
  return broken(repeated.text, [witness]);
}

function seconds(us: number): string {
  return `${(us / 1_000_000).toFixed(1)} s`;
}
