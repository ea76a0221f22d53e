import { acknowledgedKept, noWriteFromNowhere } from '#sim/check/acknowledged.ts';
import {
  boundedClockEffect,
  causalOrder,
  noGaps,
  noLoops,
  stabilitySafe,
  stampsFollowCauses,
} from '#sim/check/causality.ts';
import { conflictsRecorded } from '#sim/check/conflict-log.ts';
import { foreignKeysHold, poisonIsolated, uniqueArbitrated } from '#sim/check/constraints.ts';
import { strongConvergence } from '#sim/check/convergence.ts';
import { identitySafe, slotDiscipline } from '#sim/check/log-discipline.ts';
import { samePrefixKept } from '#sim/check/membership.ts';
import { unknown } from '#sim/check/property.ts';
import type { Property } from '#sim/check/property.ts';
import {
  availableAlone,
  convergesInTime,
  deterministic,
  metadataBounded,
  workBounded,
} from '#sim/check/service.ts';
import { atomicVisibility, exactlyOnce, rightValue } from '#sim/check/specified-rows.ts';

/** Every property, in the order in which it is reported. Numbers are those of the literature page. */
export const PROPERTIES: readonly Property[] = [
  {
    id: 'A1',
    name: 'strong eventual consistency',
    claim: 'Regions that hold the same transactions hold the same rows, at every moment.',
    check: strongConvergence,
  },
  {
    id: 'A2',
    name: 'the right value',
    claim: 'At the end every row is what the operations mean, by an independent specification.',
    check: rightValue,
  },
  {
    id: 'A3',
    name: 'no acknowledged write lost',
    claim: 'What a client was told is committed is in every region at the end.',
    check: acknowledgedKept,
  },
  {
    id: 'A4',
    name: 'no write from nowhere',
    claim: 'What is logged was committed, and what failed stays failed.',
    check: noWriteFromNowhere,
  },
  {
    id: 'A5',
    name: 'exactly once',
    claim: 'Every increment counts once in every region; the applied vector only grows.',
    check: exactlyOnce,
  },
  {
    id: 'A6',
    name: 'causal order',
    claim: 'No region shows an effect before its cause, and the log names the causes exactly.',
    check: causalOrder,
  },
  {
    id: 'A7',
    name: 'atomic visibility',
    claim: 'All rows of a transaction become visible in one commit, merged with local writes.',
    check: atomicVisibility,
  },
  ...['A8', 'A9', 'A10', 'A11', 'A12', 'A13'].map((id): Property => ({
    id,
    name: 'sessions and subscriptions',
    claim: 'Judged when the gateway takes part in the simulation.',
    check: () => unknown('the gateway does not take part'),
  })),
  {
    id: 'A14',
    name: 'safe forgetting',
    claim: 'A write or a tombstone is forgotten only when every member has it.',
    check: stabilitySafe,
  },
  {
    id: 'A15',
    name: 'bounded metadata',
    claim: 'At rest nothing is remembered beside the rows.',
    check: metadataBounded,
  },
  {
    id: 'A16',
    name: 'complete conflict log',
    claim: 'Every region records exactly the open conflicts, with the same verdicts.',
    check: conflictsRecorded,
  },
  {
    id: 'A17',
    name: 'unique arbitration',
    claim: 'All regions agree which row owns a unique key.',
    check: uniqueArbitrated,
  },
  {
    id: 'A18',
    name: 'foreign keys',
    claim: 'No region holds a child without its parent at the end.',
    check: foreignKeysHold,
  },
  {
    id: 'A19',
    name: 'stamps follow causes',
    claim: 'Stamps grow within a region, and an effect is stamped later than its causes.',
    check: stampsFollowCauses,
  },
  {
    id: 'A20',
    name: 'bounded clock effect',
    claim: 'A stamp is no further ahead of true time than some clock was wrong.',
    check: boundedClockEffect,
  },
  {
    id: 'A21',
    name: 'identity',
    claim: 'One name never stands for two contents.',
    check: identitySafe,
  },
  {
    id: 'A22',
    name: 'no gaps',
    claim: 'A region applies only what its own log holds.',
    check: noGaps,
  },
  {
    id: 'A23',
    name: 'slot discipline',
    claim: 'The slot moves only past what is logged, and what a power cut cannot take back.',
    check: slotDiscipline,
  },
  {
    id: 'A24',
    name: 'poison isolation',
    claim: 'A row that a table refuses stops nothing else and shows in status.',
    check: poisonIsolated,
  },
  {
    id: 'A26',
    name: 'membership',
    claim: 'Of a region that is gone for ever, every survivor keeps the same prefix.',
    check: samePrefixKept,
  },
  {
    id: 'A27',
    name: 'liveness',
    claim: 'After the heal all regions come to hold everything, within the bound.',
    check: convergesInTime,
  },
  {
    id: 'A28',
    name: 'bounded work',
    claim: 'Nothing is stored or tried again without end.',
    check: workBounded,
  },
  {
    id: 'A29',
    name: 'availability',
    claim: 'A region whose database is up serves its clients, whatever the others do.',
    check: availableAlone,
  },
  {
    id: 'A30',
    name: 'determinism',
    claim: 'The run, repeated, is the same run.',
    check: deterministic,
  },
  {
    id: 'A32',
    name: 'no loops',
    claim: 'What apply wrote is never taken for news.',
    check: noLoops,
  },
];
