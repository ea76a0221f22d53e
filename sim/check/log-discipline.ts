import type { RegionId } from '#core/region.ts';
import { formatVector } from '#core/version-vector.ts';
import { judge } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { Truth } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';
import type { CommitEvent, LoggedEvent } from '#sim/history/event.ts';

/** A21. One name, one content: the bytes of a frame and of a transaction are the same in every copy. */
export function identitySafe(truth: Truth): Verdict {
  const transactions = new Map<string, { readonly text: string; readonly region: RegionId }>();
  const witnesses: Witness[] = [];
  let compared = 0;
  for (const event of truth.events) {
    if (event.kind !== 'logged') continue;
    for (const tx of event.transactions) {
      compared += 1;
      const name = `${dotName(tx.replica, tx.sequence)} ${event.part}`;
      const text = contentOf(event, tx);
      const known = transactions.get(name);
      if (known === undefined) transactions.set(name, { text, region: event.region });
      else if (known.text !== text) {
        witnesses.push({
          atUs: event.atUs,
          signature: 'two contents under one name',
          text: `${dotName(tx.replica, tx.sequence)} in the log of ${event.region} is not what it is in ${known.region}`,
          about: [event.region, known.region, dotName(tx.replica, tx.sequence)],
        });
      }
    }
  }
  return judge(compared, 'stored transactions', witnesses);
}

function contentOf(event: LoggedEvent, tx: LoggedEvent['transactions'][number]): string {
  const ops = tx.ops.map((op) => ({
    ...op,
    relation: `${op.relation.schema}.${op.relation.name}`,
  }));
  return JSON.stringify([event.part, tx.hlc, formatVector(tx.deps), tx.commitLsn, ops]);
}

/** A23. The slot moves only past commits that the own log holds, and will hold after a power cut. */
export function slotDiscipline(truth: Truth): Verdict {
  const stored = new Map<RegionId, Set<number>>();
  const confirmed = new Map<RegionId, number>();
  const waiting = new Map<RegionId, CommitEvent[]>();
  const witnesses: Witness[] = [];
  let count = 0;
  const blame = (region: RegionId, commit: CommitEvent, atUs: number, signature: string): void => {
    witnesses.push({
      atUs,
      signature,
      text: `${region}'s slot is confirmed past the commit of ${commit.changes.length} rows at ${commit.lsn}: ${signature}`,
      about: [region, truth.dotOf(commit) ?? ''],
    });
  };
  for (const event of truth.events) {
    if (event.kind === 'logged' && event.replica.startsWith(`${event.region}.`)) {
      const known = stored.get(event.region) ?? new Set<number>();
      stored.set(event.region, known);
      for (const tx of event.transactions) known.add(tx.commitLsn);
    } else if (event.kind === 'commit' && event.by === 'user') {
      if (specOps(event.changes, truth.tables).length === 0) continue;
      waiting.set(event.region, [...(waiting.get(event.region) ?? []), event]);
    } else if (event.kind === 'confirm') {
      count += 1;
      confirmed.set(event.region, Math.max(confirmed.get(event.region) ?? 0, event.lsn));
      const known = stored.get(event.region);
      const rest: CommitEvent[] = [];
      for (const commit of waiting.get(event.region) ?? []) {
        if (commit.lsn >= event.lsn) rest.push(commit);
        else if (known?.has(commit.lsn) !== true)
          blame(event.region, commit, event.atUs, 'the slot is confirmed past what is not logged');
      }
      waiting.set(event.region, rest);
    }
  }
  return judge(count, 'confirmed positions', [...witnesses, ...lostBehindSlot(truth)]);
}

/** What a log lost of its acknowledged tail must still be in the slot, so that it is decoded again. */
function lostBehindSlot(truth: Truth): readonly Witness[] {
  const confirmed = new Map<RegionId, number>();
  const witnesses: Witness[] = [];
  for (const event of truth.events) {
    if (event.kind === 'confirm') confirmed.set(event.region, event.lsn);
    if (event.kind !== 'log-lost' || !event.replica.startsWith(`${event.region}.`)) continue;
    const reached = confirmed.get(event.region) ?? 0;
    const lost = [...truth.transactions.values()].filter(
      ({ header, commit }) =>
        header.replica === event.replica &&
        header.endLsn > event.afterEndLsn &&
        header.endLsn <= reached &&
        commit.atUs < event.atUs,
    );
    if (lost.length === 0) continue;
    witnesses.push({
      atUs: event.atUs,
      signature: 'the slot is confirmed past what a power cut took from the log',
      text: `${event.region}'s log lost ${lost.length} transactions that its slot no longer holds, from ${lost[0]?.dot ?? ''} on`,
      about: [event.region, lost[0]?.dot ?? ''],
    });
  }
  return witnesses;
}
