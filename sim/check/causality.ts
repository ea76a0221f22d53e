import type { RegionId } from '#core/region.ts';
import { covers, formatVector, parseVector } from '#core/version-vector.ts';
import { judge } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import type { Truth } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';
import { newDots, visibleAt, walk } from '#sim/check/walk.ts';

/** A6. Nobody sees an effect before its cause; and the log names as causes exactly what was visible. */
export function causalOrder(truth: Truth): Verdict {
  const witnesses: Witness[] = [];
  let applied = 0;
  walk(truth, (moment) => {
    for (const dot of newDots(moment)) {
      const transaction = truth.transactions.get(dot);
      if (transaction === undefined || transaction.header.region === moment.region) continue;
      applied += 1;
      // Its own transactions a region shows from their commit on, whatever its vector says of them yet.
      if (covers(visibleAt(moment), transaction.deps)) continue;
      witnesses.push({
        atUs: moment.commit.atUs,
        signature: 'applied before its cause',
        text: `${moment.region} applied ${dot}, whose writer had seen ${formatVector(transaction.deps)}, while it held ${formatVector(moment.vector)}`,
        about: [moment.region, dot],
      });
    }
  });
  for (const { dot, header, deps, commit } of truth.transactions.values()) {
    if (formatVector(header.deps) === formatVector(deps)) continue;
    witnesses.push({
      atUs: commit.atUs,
      signature: 'the log names other causes than were visible',
      text: `${dot} is logged with causes ${formatVector(header.deps) || 'none'}, but its writer saw ${formatVector(deps) || 'none'}`,
      about: [header.region, dot],
    });
  }
  return judge(applied, 'applied transactions', witnesses);
}

/** A14. Memory of a write goes only when every member has it. */
export function stabilitySafe(truth: Truth): Verdict {
  const held = new Map<RegionId, ReadonlyMap<string, number>>();
  const witnesses: Witness[] = [];
  let looked = 0;
  for (const event of truth.events) {
    if (event.kind === 'commit' && event.vector !== null)
      held.set(event.region, parseVector(event.vector));
    if (event.kind !== 'gauge' || event.stable === null) continue;
    looked += 1;
    for (const member of truth.frame.regions) {
      const vector = held.get(member) ?? new Map<string, number>();
      for (const [replica, sequence] of parseVector(event.stable)) {
        // A region's own transactions are in its tables from the start.
        if (replica.startsWith(`${member}.`) || (vector.get(replica) ?? 0) >= sequence) continue;
        witnesses.push({
          atUs: event.atUs,
          signature: 'called stable before every region had it',
          text: `${event.region} calls ${replica}:${sequence} stable, but ${member} holds only ${vector.get(replica) ?? 0}`,
          about: [event.region, member, dotName(replica, sequence)],
        });
      }
    }
  }
  return judge(looked, 'stable vectors', witnesses);
}

/** A22. A region applies of others only what its own log holds, with no hole. */
export function noGaps(truth: Truth): Verdict {
  const stored = new Map<RegionId, Set<string>>();
  const applied = new Map<RegionId, Set<string>>();
  const witnesses: Witness[] = [];
  let count = 0;
  const steps = appliedSteps(truth);
  for (const event of truth.events) {
    if (event.kind === 'logged') {
      const known = stored.get(event.region) ?? new Set<string>();
      stored.set(event.region, known);
      for (const tx of event.transactions) known.add(dotName(tx.replica, tx.sequence));
    }
    for (const { region, dots } of steps.get(event) ?? []) {
      const seen = applied.get(region) ?? new Set<string>();
      applied.set(region, seen);
      for (const dot of dots) {
        count += 1;
        seen.add(dot);
        if (stored.get(region)?.has(dot) === true) continue;
        witnesses.push({
          atUs: event.atUs,
          signature: 'applied without being in the local log',
          text: `${region} applied ${dot}, which its own log never held`,
          about: [region, dot],
        });
      }
    }
  }
  return judge(count, 'applied transactions', witnesses);
}

function appliedSteps(
  truth: Truth,
): ReadonlyMap<object, readonly { readonly region: RegionId; readonly dots: readonly string[] }[]> {
  const steps = new Map<object, { region: RegionId; dots: readonly string[] }[]>();
  walk(truth, (moment) => {
    if (moment.commit.vector === null) return;
    // Own transactions come from the WAL: they are in the rows before they can be in any log.
    const dots = newDots(moment).filter((dot) => !dot.startsWith(`${moment.region}.`));
    steps.set(moment.commit, [{ region: moment.region, dots }]);
  });
  return steps;
}

/** A32. What apply wrote is never taken for news, and no transaction travels in circles. */
export function noLoops(truth: Truth): Verdict {
  const byApply = new Set<string>();
  for (const [region, commits] of truth.commits) {
    for (const { commit, lostUs } of commits)
      if (commit.by === 'apply' && lostUs === null) byApply.add(`${region} ${commit.lsn}`);
  }
  const witnesses: Witness[] = [];
  for (const [dot, header] of truth.logged) {
    if (!byApply.has(`${header.region} ${header.commitLsn}`)) continue;
    witnesses.push({
      atUs: 0,
      signature: 'a merged write came back as a new one',
      text: `${dot} was captured from a commit of apply in ${header.region}`,
      about: [header.region, dot],
    });
  }
  return judge(truth.logged.size, 'logged transactions', witnesses);
}

/** A19. Stamps grow within a region, and every effect has a later one than its causes. */
export function stampsFollowCauses(truth: Truth): Verdict {
  const witnesses: Witness[] = [];
  let compared = 0;
  for (const { dot, header, deps, commit } of truth.transactions.values()) {
    const causes = [...deps, [header.replica, header.sequence - 1] as const];
    for (const [replica, sequence] of causes) {
      const cause = truth.logged.get(dotName(replica, sequence));
      if (cause === undefined) continue;
      compared += 1;
      if (cause.hlc < header.hlc) continue;
      witnesses.push({
        atUs: commit.atUs,
        signature: 'an effect is stamped earlier than its cause',
        text: `${dot} is stamped ${header.hlc}, but had seen ${replica}:${sequence} of ${cause.hlc}`,
        about: [header.region, dot],
      });
    }
  }
  return judge(compared, 'pairs of stamps', witnesses);
}

/** A20. A wrong clock can push stamps no further ahead than it is wrong. */
export function boundedClockEffect(truth: Truth): Verdict {
  const witnesses: Witness[] = [];
  // Ties cost a microsecond each; a second holds more of them than any run makes.
  const allowed = truth.frame.clockErrorUs + 1_000_000;
  for (const { dot, header, commit } of truth.transactions.values()) {
    const ahead = header.hlc - (truth.frame.epochUs + commit.atUs);
    if (ahead <= allowed) continue;
    witnesses.push({
      atUs: commit.atUs,
      signature: 'a stamp further ahead than any clock was wrong',
      text: `${dot} is stamped ${Math.round(ahead / 1000)} ms ahead of true time`,
      about: [header.region, dot],
    });
  }
  return judge(truth.transactions.size, 'stamps', witnesses);
}
