import type { ClientStatement } from '#sim/pg/client-statement.ts';
import {
  addTo,
  BEGIN,
  COMMIT,
  deleteFrom,
  each,
  insertItem,
  outcomeOf,
  ROLLBACK,
  rowsOf,
  setItem,
  soon,
} from '#tests/sim/pg/contract-subject.ts';
import type { ContractClient, PgCase, PgSubject } from '#tests/sim/pg/contract-subject.ts';

const BEGIN_RR: ClientStatement = { kind: 'begin', isolation: 'repeatable read' };
const SELECT: ClientStatement = { kind: 'select', table: 'public.item' };

async function two(subject: PgSubject): Promise<readonly [ContractClient, ContractClient]> {
  return [await subject.client(), await subject.client()];
}

function insertInto(table: string, row: Readonly<Record<string, string>>): ClientStatement {
  return { kind: 'insert', table: `public.${table}`, row };
}

/** Applications against each other. */
export const TRANSACTION_CASES: readonly PgCase[] = [
  {
    name: 'READ COMMITTED: an UPDATE that waited builds upon what was committed meanwhile',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), BEGIN, addTo(1, 5));
      const waiting = right.execute(addTo(1, 7));
      const look = await soon(subject, waiting);
      await each(left, COMMIT);
      return [look, await outcomeOf(waiting), await rowsOf(right, 'item')];
    },
    outcome: ['blocked', 1, ['1 v1 12']],
  },
  {
    name: 'REPEATABLE READ: the same is refused, and its snapshot stays',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1));
      const first = await each(right, BEGIN_RR, SELECT);
      await each(left, addTo(1, 5), insertItem(2));
      const then = await each(right, SELECT, addTo(1), SELECT, COMMIT);
      return [first, then];
    },
    outcome: [
      [0, 1],
      [1, '40001', '25P02', 'rolled back'],
    ],
  },
  {
    name: 'delete and insert of the same key: who waited for the old row misses the new one',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), BEGIN, deleteFrom('item', 1), insertItem(1, 'new'));
      const update = right.execute(addTo(1));
      const look = await soon(subject, update);
      await each(left, COMMIT);
      return [look, await outcomeOf(update), await rowsOf(right, 'item')];
    },
    outcome: ['blocked', 0, ['1 new 0']],
  },
  {
    name: 'a rollback gives the row back to who waits for it',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), BEGIN, deleteFrom('item', 1));
      const update = right.execute(addTo(1));
      const look = await soon(subject, update);
      await each(left, ROLLBACK);
      return [look, await outcomeOf(update), await rowsOf(right, 'item')];
    },
    outcome: ['blocked', 1, ['1 v1 1']],
  },
  {
    name: 'going back to a savepoint lets go of what was locked since',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), insertItem(2), BEGIN, addTo(1));
      await each(left, { kind: 'savepoint', name: 'a' }, addTo(2));
      const second = right.execute(addTo(2));
      const look = await soon(subject, second);
      await each(left, { kind: 'rollbackTo', name: 'a' });
      const free = await soon(subject, second);
      const first = await soon(subject, right.execute(addTo(1)));
      await each(left, COMMIT);
      return [look, free, first];
    },
    outcome: ['blocked', 1, 'blocked'],
  },
  {
    name: 'an error in a transaction: nothing but ROLLBACK, COMMIT rolls back; a savepoint helps',
    run: async (subject) => {
      const [left] = await two(subject);
      const failed = await each(left, insertItem(1), BEGIN, insertItem(1), SELECT, COMMIT);
      const helped = await each(
        left,
        BEGIN,
        insertItem(2),
        { kind: 'savepoint', name: 'a' },
        insertItem(1),
        { kind: 'rollbackTo', name: 'a' },
        insertItem(3),
        { kind: 'rollbackTo', name: 'nowhere' },
        { kind: 'rollbackTo', name: 'a' },
        COMMIT,
      );
      return [failed, helped, await rowsOf(left, 'item')];
    },
    outcome: [
      [1, 0, '23505', '25P02', 'rolled back'],
      [0, 1, 0, '23505', 0, 1, '3B001', 0, 0],
      ['1 v1 0', '2 v2 0'],
    ],
  },
  {
    name: 'UNIQUE waits for who has not decided: refused after COMMIT, taken after ROLLBACK',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, BEGIN, insertItem(1, 'same'));
      const lost = right.execute(insertItem(2, 'same'));
      const looks = [await soon(subject, lost)];
      await each(left, COMMIT);
      looks.push(await outcomeOf(lost));
      await each(left, BEGIN, insertItem(3, 'other'));
      const won = right.execute(insertItem(4, 'other'));
      looks.push(await soon(subject, won));
      await each(left, ROLLBACK);
      return [...looks, await outcomeOf(won), await rowsOf(right, 'item')];
    },
    outcome: ['blocked', '23505', 'blocked', 1, ['1 same 0', '4 other 0']],
  },
  {
    name: 'a unique value that an open transaction gives up is waited for',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1, 'a'), BEGIN, setItem(1, { v: 'b' }));
      const taking = right.execute(insertItem(2, 'a'));
      const look = await soon(subject, taking);
      await each(left, COMMIT);
      const nulls = await each(left, insertItem(3, null), insertItem(4, null));
      return [look, await outcomeOf(taking), nulls, await rowsOf(right, 'item')];
    },
    outcome: ['blocked', 1, [1, 1], ['1 b 0', '2 a 0', '3 - 0', '4 - 0']],
  },
  {
    name: 'in a circle of waits exactly one is refused, and the other goes on',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), insertItem(2), BEGIN, addTo(1));
      await each(right, BEGIN, addTo(2));
      const waits = [left.execute(addTo(2)), right.execute(addTo(1))];
      return (await Promise.all(waits.map(outcomeOf))).map(String).toSorted();
    },
    outcome: ['1', '40P01'],
  },
  {
    name: 'lock_timeout ends a wait, and the transaction with it',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertItem(1), BEGIN, addTo(1));
      const waits = await each(right, BEGIN, { kind: 'setLockTimeout', ms: 30 }, addTo(1), SELECT);
      return waits;
    },
    outcome: [0, 0, '55P03', '25P02'],
  },
  {
    name: 'foreign keys: no child without its parent, no parent from under its child, or with it',
    run: async (subject) => {
      const [left] = await two(subject);
      const outcomes = await each(
        left,
        insertInto('child', { id: '1', parent: '1' }),
        insertInto('parent', { id: '1', v: 'a' }),
        insertInto('parent', { id: '2', v: 'b' }),
        insertInto('child', { id: '1', parent: '1' }),
        insertInto('child', { id: '2', owner: '2' }),
        deleteFrom('parent', 1),
        { kind: 'update', table: 'public.parent', key: { id: '1' }, set: { id: '9' } },
        { kind: 'update', table: 'public.child', key: { id: '1' }, set: { parent: '7' } },
        deleteFrom('parent', 2),
      );
      return [outcomes, await rowsOf(left, 'parent'), await rowsOf(left, 'child')];
    },
    outcome: [['23503', 1, 1, 1, 1, '23503', '23503', '23503', 1], ['1 a'], ['1 1 -']],
  },
  {
    name: 'a child shares its parent’s key: the parent can be updated, but not deleted',
    run: async (subject) => {
      const [left, right] = await two(subject);
      await each(left, insertInto('parent', { id: '1', v: 'a' }), BEGIN);
      await each(left, insertInto('child', { id: '1', parent: '1' }));
      const rename: ClientStatement = {
        kind: 'update',
        table: 'public.parent',
        key: { id: '1' },
        set: { v: 'b' },
      };
      const update = await soon(subject, right.execute(rename));
      const remove = right.execute(deleteFrom('parent', 1));
      const look = await soon(subject, remove);
      await each(left, COMMIT);
      return [update, look, await outcomeOf(remove)];
    },
    outcome: [1, 'blocked', '23503'],
  },
  {
    name: 'TRUNCATE waits for readers, and empties the table for older snapshots too',
    run: async (subject) => {
      const [left, right] = await two(subject);
      const third = await subject.client();
      await each(left, insertItem(1));
      await each(third, BEGIN_RR, { kind: 'select', table: 'public.keyed' });
      await each(right, BEGIN, SELECT);
      const truncate = left.execute({ kind: 'truncate', table: 'public.item' });
      const look = await soon(subject, truncate);
      await each(right, COMMIT);
      await truncate;
      return [look, await each(third, SELECT)];
    },
    outcome: ['blocked', [0]],
  },
  {
    name: 'a table lock keeps writers out, readers not; who comes later queues behind it',
    run: async (subject) => {
      const [left, right] = await two(subject);
      const third = await subject.client();
      await each(left, insertItem(1), BEGIN, addTo(1));
      const locking = async (): Promise<unknown> => {
        await right.execute(BEGIN);
        return right.execute({ kind: 'lockTable', table: 'public.item', mode: 'exclusive' });
      };
      const lock = locking();
      const look = await soon(subject, lock);
      const write = third.execute(insertItem(2));
      const queued = await soon(subject, write);
      const read = await each(left, SELECT, COMMIT);
      const held = [await outcomeOf(lock), await soon(subject, write)];
      await each(right, COMMIT);
      return [look, queued, read, held, await outcomeOf(write)];
    },
    outcome: ['blocked', 'blocked', [1, 0], [0, 'blocked'], 1],
  },
  {
    name: 'row locks: shared ones go together, and with an update that leaves the key alone',
    run: async (subject) => {
      const [left, right] = await two(subject);
      const lock = (mode: 'share' | 'key share' | 'update'): ClientStatement => {
        return { kind: 'select', table: 'public.item', key: { id: '1' }, lock: mode };
      };
      await each(left, insertItem(1), BEGIN, lock('share'));
      const shared = await soon(subject, right.execute(lock('share')));
      const update = right.execute(addTo(1));
      const blocked = await soon(subject, update);
      await each(left, COMMIT);
      await update;
      await each(left, BEGIN, lock('key share'));
      const free = await soon(subject, right.execute(addTo(1)));
      const strong = right.execute(lock('update'));
      const waits = await soon(subject, strong);
      await each(left, COMMIT);
      return [shared, blocked, free, waits, await outcomeOf(strong)];
    },
    outcome: [1, 'blocked', 1, 'blocked', 1],
  },
  {
    name: 'what a table refuses, by SQLSTATE',
    run: async (subject) => {
      const [left] = await two(subject);
      const note = (row: Readonly<Record<string, string>>): ClientStatement =>
        insertInto('note', row);
      const outcomes = await each(
        left,
        note({ id: '1', body: 'sixsix' }),
        note({ id: 'x' }),
        note({ id: '1', small: '40000' }),
        note({ id: '1', rate: '12345.6' }),
        note({ id: '1', small: '-1' }),
        { kind: 'insert', table: 'public.note', row: { id: '1', must: null } },
        { kind: 'insert', table: 'public.note', row: { id: null } },
        note({ id: '1', body: 'five  ', rate: '1.005', small: '07' }),
        insertInto('nowhere', { id: '1' }),
        { kind: 'update', table: 'public.note', key: { id: '1' }, set: { nowhere: '1' } },
      );
      return [outcomes, await rowsOf(left, 'note')];
    },
    outcome: [
      ['22001', '22P02', '22003', '22003', '23514', '23502', '23502', 1, '42P01', '42703'],
      ['1 five  1.01 7 x 14'],
    ],
  },
  {
    name: 'one session at a time has a replication origin, until it ends',
    run: async (subject) => {
      const [left, right] = await two(subject);
      const set: ClientStatement = { kind: 'setOrigin', origin: 'everywrite_contract' };
      const reset: ClientStatement = { kind: 'setOrigin', origin: null };
      if (!subject.database.originSupported) return [[0, '55000'], ['55006'], [0], [0, '55000']];
      const first = await each(left, set, set);
      const busy = await each(right, set);
      const freed = await each(left, reset);
      return [first, busy, freed, await each(right, set, set)];
    },
    outcome: [[0, '55000'], ['55006'], [0], [0, '55000']],
  },
];
