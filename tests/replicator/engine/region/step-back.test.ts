import { beforeEach, expect, test } from 'vitest';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import { stepBack } from '#replicator/engine/region/step-back.ts';
import type { RegionState, Statement, StatementResult } from '#replicator/engine/statement.ts';

const OWN = replicaId(parseRegionId('eu'), 1);
const STATE: RegionState = {
  region: 'eu',
  epoch: 1,
  generation: 40,
  vector: 'eu.1:9,us.1:5',
  hlc: 1000,
  initialSettings: 1,
  stable: 'eu.1:4,us.1:5',
  foldFrom: 'eu.1:4,us.1:5',
  serverVersion: 180000,
  confirmedFlushLsn: '0/1',
  sameServer: true,
  walLsn: '0/9',
};

let sent: Statement[];
let advanced: number;
const session: DatabaseSession = {
  flight: (statements) => {
    sent.push(...statements);
    return Promise.resolve(
      statements.map(({ kind }): StatementResult =>
        kind === 'advanceVector'
          ? { kind: 'advanced', count: advanced, xid: 1, snapshotXmin: 1n }
          : { kind: 'done' },
      ),
    );
  },
  attempt: () => Promise.reject(new Error('unexpected')),
  close: () => Promise.resolve(),
};

beforeEach(() => {
  sent = [];
  advanced = 1;
});

test('where all that was accounted for is logged, only what was recorded ahead of the log goes', async () => {
  expect(await stepBack(session, OWN, STATE, 9)).toBe(STATE);
  expect(sent).toEqual([{ kind: 'withdrawConflicts', replica: OWN, after: 9 }]);
});

test('own transactions that the log lost are not accounted for, and their records wait for them', async () => {
  const state = await stepBack(session, OWN, STATE, 6);
  expect(state).toMatchObject({ generation: 41, vector: 'eu.1:6,us.1:5' });
  expect(sent.map(({ kind }) => kind)).toEqual([
    'begin',
    'advanceVector',
    'withdrawConflicts',
    'commit',
  ]);
  expect(sent[2]).toMatchObject({ replica: OWN, after: 6 });
});

test('records of what is stable stay', async () => {
  await stepBack(session, OWN, STATE, 2);
  expect(sent[2]).toMatchObject({ after: 4 });
});

test('somebody else applied meanwhile: nothing is withdrawn', async () => {
  advanced = 0;
  await expect(stepBack(session, OWN, STATE, 6)).rejects.toMatchObject({ code: 'VECTOR_FENCED' });
  expect(sent.map(({ kind }) => kind)).toEqual(['begin', 'advanceVector']);
});
