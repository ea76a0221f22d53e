import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Guard, Statement } from '#replicator/engine/statement.ts';
import {
  addTo,
  BEGIN,
  COMMIT,
  countsOf,
  deleteFrom,
  each,
  flown,
  insertItem,
  outcomeOf,
  ROLLBACK,
  rowsOf,
  soon,
} from '#tests/sim/pg/contract-subject.ts';
import type { PgCase, PgSubject } from '#tests/sim/pg/contract-subject.ts';
import { keyOf, relationOf } from '#tests/sim/pg/relations.ts';

const item = relationOf('item', ['id', 'v', 'n']);
const OPEN: Statement = { kind: 'begin', lockTimeoutMs: 1_000 };
const HASTY: Statement = { kind: 'begin', lockTimeoutMs: 40 };
const DONE: Statement = { kind: 'commit' };
const NOTHING_KNOWN: Guard = { horizonXid: null, ownXids: [] };

const insertRow = (id: number, v: string | null = `v${id}`): Statement => {
  return { kind: 'insertRows', relation: item, rows: [[`${id}`, v, '0']] };
};

function add(id: number, guard: Guard | null, knownXid: number | null = null): Statement {
  const rows = [{ key: keyOf(`${id}`), knownXid, writes: [{ kind: 'add', amount: '1' } as const] }];
  return { kind: 'updateRows', relation: item, columns: [2], rows, guard };
}

function remove(id: number, guard: Guard | null = null): Statement {
  return {
    kind: 'deleteRows',
    relation: item,
    rows: [{ key: keyOf(`${id}`), knownXid: null }],
    guard,
  };
}

const lock = (...ids: readonly number[]): Statement => {
  return { kind: 'lockRows', relation: item, keys: ids.map((id) => keyOf(`${id}`)) };
};

async function withApply<Result>(
  subject: PgSubject,
  use: (session: DatabaseSession) => Promise<Result>,
): Promise<Result> {
  const session = await subject.database.open('apply');
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

async function xminOf(subject: PgSubject, id: number): Promise<number> {
  const client = await subject.client();
  const { rows } = await client.execute({
    kind: 'select',
    table: 'public.item',
    key: { id: `${id}` },
  });
  return rows[0]?.xmin ?? -1;
}

async function horizon(subject: PgSubject): Promise<number> {
  return withApply(subject, async (session) => {
    const [result] = await session.flight([{ kind: 'readSnapshot' }]);
    return result?.kind === 'snapshot' ? Number(result.snapshot.xmin % 0x1_0000_0000n) : -1;
  });
}

/** The engine's statements, beside applications. */
export const STATEMENT_CASES: readonly PgCase[] = [
  {
    name: 'the guard: known by its id, by ours, by the horizon, or not at all',
    run: async (subject) => {
      const client = await subject.client();
      for (const id of [1, 2, 3]) await client.execute(insertItem(id));
      const xmin = await xminOf(subject, 1);
      const past = await horizon(subject);
      await client.execute(addTo(3));
      return withApply(subject, async (session) => {
        const results = await session.flight([
          OPEN,
          add(1, NOTHING_KNOWN),
          add(1, NOTHING_KNOWN, xmin + 1),
          add(1, NOTHING_KNOWN, xmin),
          add(2, { horizonXid: past, ownXids: [] }),
          add(3, { horizonXid: past, ownXids: [] }),
          remove(3, { horizonXid: past, ownXids: [await xminOf(subject, 3)] }),
          DONE,
        ]);
        return [countsOf(results), await rowsOf(client, 'item')];
      });
    },
    outcome: [
      [0, 0, 1, 1, 0, 1],
      ['1 v1 1', '2 v2 1'],
    ],
  },
  {
    name: 'the guard is asked again of the version that a lock wait leads to',
    run: async (subject) => {
      const client = await subject.client();
      await client.execute(insertItem(1));
      const past = await horizon(subject);
      return withApply(subject, async (session) => {
        const write = add(1, { horizonXid: past, ownXids: [] });
        const before = countsOf(await session.flight([OPEN, write, { kind: 'rollback' }]));
        await each(client, BEGIN, addTo(1, 10));
        const flight = session.flight([OPEN, write, DONE]);
        const look = await soon(subject, flight);
        await client.execute(COMMIT);
        return [before, look, countsOf(await flight), await rowsOf(client, 'item')];
      });
    },
    outcome: [[1], 'blocked', [0], ['1 v1 10']],
  },
  {
    name: 'a lock that waited for delete + insert finds nothing; asked again it finds the new row',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, insertItem(1), BEGIN, deleteFrom('item', 1), insertItem(1, 'new'));
      return withApply(subject, async (session) => {
        const flight = session.flight([OPEN, lock(1)]);
        const look = await soon(subject, flight);
        await client.execute(COMMIT);
        const found = [(await flight)[1], ...(await session.flight([lock(1)]))];
        await session.flight([{ kind: 'rollback' }]);
        return [look, found.map((result) => (result?.kind === 'locked' ? result.rows.length : -1))];
      });
    },
    outcome: ['blocked', [0, 1]],
  },
  {
    name: 'rows come locked in key order, with all values; others wait for them',
    run: async (subject) => {
      const client = await subject.client();
      for (const id of [10, 9, 11]) await client.execute(insertItem(id));
      return withApply(subject, async (session) => {
        const [, locked] = await session.flight([OPEN, lock(11, 404, 9, 10)]);
        const write = client.execute(addTo(9));
        const look = await soon(subject, write);
        await session.flight([{ kind: 'rollback' }]);
        const rows = locked?.kind === 'locked' ? locked.rows : [];
        const shown = rows.map(({ key, values }) => [key, ...values]);
        return [shown, look, await outcomeOf(write)];
      });
    },
    outcome: [
      [
        ['9', '9', 'v9', '0'],
        ['10', '10', 'v10', '0'],
        ['11', '11', 'v11', '0'],
      ],
      'blocked',
      1,
    ],
  },
  {
    name: 'a savepoint’s row shows an id that no snapshot lists, at or above the snapshot’s xmin',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, BEGIN, insertItem(1), { kind: 'savepoint', name: 'a' }, insertItem(2));
      const { rows } = await client.execute({ kind: 'select', table: 'public.item' });
      const [top = 0, sub = 0] = rows.map(({ xmin }) => xmin).toSorted((a, b) => a - b);
      const other = await subject.client();
      // Something later that has ended, or the snapshot would end before both.
      await other.execute(insertItem(3));
      const past = await horizon(subject);
      await client.execute(COMMIT);
      return [sub > top, past <= top, (await horizon(subject)) > sub];
    },
    outcome: [true, true, true],
  },
  {
    name: 'a row lock alone takes an id',
    run: async (subject) => {
      const client = await subject.client();
      await client.execute(insertItem(1));
      const before = await horizon(subject);
      await each(client, BEGIN, { kind: 'select', table: 'public.item', lock: 'update' });
      const other = await subject.client();
      await other.execute(insertItem(2));
      const during = await horizon(subject);
      await client.execute(ROLLBACK);
      return [during === before, (await horizon(subject)) > during];
    },
    outcome: [true, true],
  },
  {
    name: 'ON CONFLICT DO NOTHING waits for who is about to delete, then inserts',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, insertItem(1, 'old'), BEGIN, deleteFrom('item', 1));
      return withApply(subject, async (session) => {
        const flight = session.flight([OPEN, insertRow(1, 'new'), DONE]);
        const look = await soon(subject, flight);
        await client.execute(COMMIT);
        return [look, countsOf(await flight), await rowsOf(client, 'item')];
      });
    },
    outcome: ['blocked', [1], ['1 new 0']],
  },
  {
    name: 'ON CONFLICT DO NOTHING waits for who is about to insert, then leaves it',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, BEGIN, insertItem(1, 'theirs'));
      return withApply(subject, async (session) => {
        const flight = session.flight([OPEN, insertRow(1, 'ours'), DONE]);
        const look = await soon(subject, flight);
        await client.execute(COMMIT);
        return [look, countsOf(await flight), await rowsOf(client, 'item')];
      });
    },
    outcome: ['blocked', [0], ['1 theirs 0']],
  },
  {
    name: 'the marker is compared and set: one of two appliers gets through',
    run: async (subject) => {
      // Both would wait for the origin, which is not what this is about.
      const [left, right] = [
        await subject.database.open('control'),
        await subject.database.open('control'),
      ];
      const [state] = await left.flight([{ kind: 'readState' }]);
      const expectedGeneration = state?.kind === 'state' ? state.state.generation : -1;
      const marker: Statement = { kind: 'advanceVector', expectedGeneration, vector: 'v', hlc: 7 };
      const [, first] = await left.flight([OPEN, marker]);
      const second = right.flight([OPEN, marker]);
      const look = await soon(subject, second);
      await left.flight([DONE]);
      const results = [first, (await second)[1]];
      await right.flight([{ kind: 'rollback' }]);
      const [after] = await left.flight([{ kind: 'readState' }]);
      const then = after?.kind === 'state' ? after.state : null;
      await Promise.all([left.close(), right.close()]);
      return [
        look,
        results.map((result) => (result?.kind === 'advanced' ? result.count : -1)),
        [then?.generation === expectedGeneration + 1, then?.vector, then?.hlc, then?.sameServer],
      ];
    },
    outcome: ['blocked', [1, 0], [true, 'v', 7, true]],
  },
  {
    name: 'a flight: the first error counts, nothing of it stays, and the session is closed',
    run: async (subject) => {
      const client = await subject.client();
      await client.execute(insertItem(9, 'taken'));
      return withApply(subject, async (session) => {
        const first = await flown(session, [
          OPEN,
          insertRow(1),
          insertRow(2, 'taken'),
          insertRow(3),
          DONE,
        ]);
        return [first, await flown(session, [OPEN]), await rowsOf(client, 'item')];
      });
    },
    outcome: ['ROW_REFUSED 23505', 'DATABASE_UNREACHABLE', ['9 taken 0']],
  },
  {
    name: 'lock_timeout: apply gives way',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, insertItem(1), BEGIN, addTo(1));
      return withApply(subject, (session) => flown(session, [HASTY, add(1, null), DONE]));
    },
    outcome: 'LOCK_TIMEOUT 55P03',
  },
  {
    name: 'an attempt: a refused row is an answer, and the transaction goes on from the savepoint',
    run: async (subject) => {
      const client = await subject.client();
      await client.execute(insertItem(9, 'taken'));
      const note = relationOf('note', ['id', 'body', 'small']);
      const insertNote = (body: string, small: string): Statement => {
        return { kind: 'insertRows', relation: note, rows: [['1', body, small]] };
      };
      return withApply(subject, async (session) => {
        await session.flight([OPEN, insertRow(1)]);
        const refused: unknown[] = [];
        for (const statement of [
          insertRow(2, 'taken'),
          insertNote('sixsix', '1'),
          insertNote('a', '-1'),
          insertNote('a', '99999'),
        ]) {
          const answer = await session.attempt([{ kind: 'savepoint' }, statement]);
          refused.push(answer.kind === 'refused' ? answer.sqlState : 'ok');
          await session.flight([{ kind: 'rollbackToSavepoint' }]);
        }
        const nowhere = relationOf('nowhere', ['id']);
        const missing = await session.attempt([
          { kind: 'lockRows', relation: nowhere, keys: [keyOf('1')] },
        ]);
        refused.push(missing.kind === 'refused' ? missing.sqlState : 'ok');
        await session.flight([insertRow(3), DONE]);
        return [refused, await rowsOf(client, 'item')];
      });
    },
    outcome: [
      ['23505', '22001', '23514', '22003', '42P01'],
      ['1 v1 0', '3 v3 0', '9 taken 0'],
    ],
  },
  {
    name: 'columns that are missing or computed here are left out; the row counts all the same',
    run: async (subject) => {
      const client = await subject.client();
      const note = relationOf('note', ['id', 'small', 'twice', 'elsewhere', 'must']);
      const set = (value: string) => ({ kind: 'set', value }) as const;
      const rows = [{ key: keyOf('1'), knownXid: null, writes: [set('5'), set('99'), set('x')] }];
      return withApply(subject, async (session) => {
        const results = await session.flight([
          OPEN,
          { kind: 'insertRows', relation: note, rows: [['1', '4', '77', 'x', 'y']] },
          { kind: 'updateRows', relation: note, columns: [1, 2, 3], rows, guard: null },
          {
            kind: 'updateRows',
            relation: note,
            columns: [3],
            rows: ['1', '2'].map((id) => ({ key: keyOf(id), knownXid: null, writes: [set('x')] })),
            guard: null,
          },
          DONE,
        ]);
        const local = await subject.database.localTable(note);
        const table = await subject.database.localTable(item);
        return [
          countsOf(results),
          await rowsOf(client, 'note'),
          local?.columns,
          [...(table?.uniqueColumns ?? [])],
        ];
      });
    },
    outcome: [[1, 1, 1], ['1 - - 5 y 10'], ['id', 'body', 'rate', 'small', 'must'], ['v']],
  },
  {
    name: 'deletes all but the survivors, behind a lock that lets readers through',
    run: async (subject) => {
      const client = await subject.client();
      for (const id of [1, 2, 3]) await client.execute(insertItem(id));
      return withApply(subject, async (session) => {
        await session.flight([OPEN, { kind: 'lockTable', relation: item }]);
        const read = await each(client, { kind: 'select', table: 'public.item' });
        const write = client.execute(insertItem(4));
        const look = await soon(subject, write);
        const survivors = [keyOf('2'), keyOf('500')];
        const counts = countsOf(
          await session.flight([{ kind: 'truncateExcept', relation: item, survivors }, DONE]),
        );
        await write;
        return [read, look, counts, await rowsOf(client, 'item')];
      });
    },
    outcome: [[3], 'blocked', [2], ['2 v2 0', '4 v4 0']],
  },
  {
    name: 'rivals: who holds a unique value that a row wants, but not the row itself',
    run: async (subject) => {
      const client = await subject.client();
      await each(client, insertItem(1, 'a'), insertItem(2, 'b'), insertItem(3, null));
      const session = await subject.database.open('control');
      const rows = [
        ['9', 'a', '0'],
        ['2', 'b', '0'],
        ['3', 'a', '0'],
        ['4', null, '0'],
      ];
      const [found] = await session.flight([{ kind: 'findRivals', relation: item, rows }]);
      await session.close();
      return found?.kind === 'rivals' ? found.rows.toSorted((a, b) => a.row - b.row) : null;
    },
    outcome: [
      { row: 0, constraint: 'item_v_key', columns: ['v'], values: ['1', 'a', '0'] },
      { row: 2, constraint: 'item_v_key', columns: ['v'], values: ['1', 'a', '0'] },
    ],
  },
  {
    name: 'records: quarantine counts, conflicts are idempotent, the spill belongs to its owner',
    run: async (subject) => {
      const session = await subject.database.open('control');
      const row = { relation: 'r', key: 'k\u00001', sqlState: '23505', reason: 'a', wanted: null };
      const side = { dot: 'eu.1:4', region: 'eu', hlc: 5, value: 'x', saw: 3 };
      const conflict = {
        relation: 'r',
        key: 'k',
        column: 'c',
        kind: 'update-update',
        winner: side,
        loser: { ...side, dot: 'us.1:9' },
      } as const;
      const spilled = { relation: 'r', key: 'k', state: new Uint8Array([1, 2]) };
      const results = await session.flight([
        { kind: 'writeQuarantine', rows: [row] },
        { kind: 'writeQuarantine', rows: [{ ...row, reason: 'b' }] },
        { kind: 'readQuarantine' },
        { kind: 'clearQuarantine', rows: [row] },
        { kind: 'readQuarantine' },
        { kind: 'writeConflicts', add: [conflict, conflict], remove: [] },
        { kind: 'withdrawConflicts', replica: 'us.1', after: 9 },
        { kind: 'withdrawConflicts', replica: 'us.1', after: 8 },
        { kind: 'writeConflicts', add: [conflict], remove: [conflict] },
        { kind: 'resetSpill', owner: null },
        { kind: 'spill', owner: 'a', rows: [spilled] },
        { kind: 'spill', owner: 'a', rows: [{ ...spilled, state: new Uint8Array([3]) }] },
        { kind: 'loadSpill', owner: 'b', keys: [spilled], table: null },
        { kind: 'loadSpill', owner: 'a', keys: [spilled], table: null },
        { kind: 'loadSpill', owner: 'a', keys: null, table: 'r' },
        {
          kind: 'saveCheckpoint',
          expected: { stable: 'no', foldFrom: '' },
          next: { stable: 'x', foldFrom: 'y' },
        },
      ]);
      await session.close();
      return results.map((result) => {
        if (result.kind === 'quarantined') return result.rows.map(({ reason }) => reason);
        if (result.kind === 'spilled') return result.rows.map(({ state }) => [...state]);
        return result.kind === 'count' ? result.count : null;
      });
    },
    outcome: [null, null, ['b'], null, [], null, 0, 1, null, null, null, null, [], [[3]], [], 0],
  },
];
