import type { Lsn } from '#core/lsn.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import type {
  PgoutputMessage,
  RelationMessage,
  Tuple,
} from '#replicator/engine/pgoutput/message.ts';
import type { ReplicationStream } from '#replicator/engine/replication-port.ts';
import type { Statement } from '#replicator/engine/statement.ts';
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
  setItem,
} from '#tests/sim/pg/contract-subject.ts';
import type { PgCase, PgSubject } from '#tests/sim/pg/contract-subject.ts';
import { relationOf } from '#tests/sim/pg/relations.ts';

const END = 'contract:end';
let ends = 0;

function message(prefix: string, transactional: boolean, content = ''): ClientStatement {
  return { kind: 'emitMessage', transactional, prefix, content };
}

interface Read {
  readonly lines: readonly string[];
  /** Where the last transaction ended. */
  readonly endLsn: Lsn;
}

async function started(
  subject: PgSubject,
  slot: string,
  origin: 'none' | 'any' = 'any',
): Promise<ReplicationStream> {
  return subject.replication.start({ slot, publication: 'everywrite', startLsn: ZERO_LSN, origin });
}

/** Everything up to a message that the case itself writes last. */
async function untilEnd(subject: PgSubject, stream: ReplicationStream): Promise<Read> {
  const client = await subject.client();
  const mark = `${ends++}`;
  // A message by itself is not flushed: a transaction with it takes it along.
  await each(client, BEGIN, message(END, true, mark), COMMIT);
  const decoder = new PgoutputDecoder();
  const relations = new Map<number, RelationMessage>();
  const lines: string[] = [];
  let endLsn = ZERO_LSN;
  let foreign = false;
  for await (const frames of stream) {
    for (const frame of frames) {
      if (frame.kind !== 'data') continue;
      const decoded = decoder.decode(frame.bytes);
      if (decoded.kind === 'relation') relations.set(decoded.relationOid, decoded);
      if (decoded.kind === 'commit') endLsn = decoded.endLsn;
      if (decoded.kind === 'message' && decoded.prefix === END) {
        lines.pop();
        if (new TextDecoder().decode(decoded.content) === mark) return { lines, endLsn };
        foreign = true;
        continue;
      }
      const line = described(decoded, relations);
      // The rest of a transaction in which an earlier reading ended.
      if (line !== null && !foreign) lines.push(line);
      if (decoded.kind === 'commit') foreign = false;
    }
  }
  throw new Error('the stream ended');
}

function described(
  message: PgoutputMessage,
  relations: ReadonlyMap<number, RelationMessage>,
): string | null {
  switch (message.kind) {
    case 'begin':
    case 'commit':
      return message.kind;
    case 'relation':
      return `relation ${message.name} ${message.replicaIdentity} ${columnsOf(message)}`;
    case 'insert':
      return `insert ${nameOf(relations, message.relationOid)} ${shown(message.values)}`;
    case 'update': {
      const old = message.oldKey === null ? message.oldValues : message.oldKey;
      const before =
        old === null ? '' : ` ${message.oldKey === null ? 'from' : 'key'} ${shown(old)}`;
      return `update ${nameOf(relations, message.relationOid)}${before} to ${shown(message.values)}`;
    }
    case 'delete': {
      const old = message.oldKey ?? message.oldValues ?? [];
      const what = message.oldKey === null ? 'from' : 'key';
      return `delete ${nameOf(relations, message.relationOid)} ${what} ${shown(old)}`;
    }
    case 'truncate':
      return `truncate ${message.relationOids.map((oid) => nameOf(relations, oid)).join(' ')}`;
    case 'message':
      return `message ${message.prefix} ${message.transactional ? 'in' : 'alone'}`;
    // An Origin message comes where a commit record carries one; capture reads nothing from it.
    default:
      return null;
  }
}

function columnsOf({ columns }: RelationMessage): string {
  return columns
    .map(({ name, typeOid, typeModifier, partOfKey }) => {
      return `${partOfKey ? '*' : ''}${name}:${typeOid}/${typeModifier}`;
    })
    .join(',');
}

function nameOf(relations: ReadonlyMap<number, RelationMessage>, oid: number): string {
  return relations.get(oid)?.name ?? '?';
}

function shown(tuple: Tuple): string {
  return tuple.map((cell) => (cell === UNCHANGED ? 'unchanged' : cutShort(cell ?? '-'))).join(',');
}

function cutShort(text: string): string {
  return text.length > 20 ? `${text.slice(0, 3)}…${text.length}` : text;
}

// PostgreSQL stores a value out of line only if it cannot be compressed enough.
function incompressible(length: number): string {
  let state = 1;
  let text = '';
  while (text.length < length) {
    state = (state * 48_271) % 2_147_483_647;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

const ITEM = 'relation item full *id:23/-1,*v:25/-1,*n:23/-1';
const KEYED = 'relation keyed default *id:23/-1,v:25/-1';

const OWN = ['begin', 'relation applied', 'update applied'];
const VERDICT = 'message everywrite:verdict in';

/** What a walsender sends for what applications do. */
export const STREAM_CASES: readonly PgCase[] = [
  {
    name: 'whole transactions in commit order, relations once, old rows in full',
    run: async (subject) => {
      const slot = await subject.slot();
      const [left, right] = [await subject.client(), await subject.client()];
      await each(left, BEGIN, insertItem(1), insertItem(2, null));
      await each(right, insertItem(3));
      await each(left, COMMIT, addTo(1, 5), setItem(2, { id: '4' }), deleteFrom('item', 3));
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      return lines;
    },
    outcome: [
      'begin',
      ITEM,
      'insert item 3,v3,0',
      'commit',
      'begin',
      'insert item 1,v1,0',
      'insert item 2,-,0',
      'commit',
      'begin',
      'update item from 1,v1,0 to 1,v1,5',
      'commit',
      'begin',
      'update item from 2,-,0 to 4,-,0',
      'commit',
      'begin',
      'delete item from 3,v3,0',
      'commit',
    ],
  },
  {
    name: 'what was rolled back is not there: a savepoint, a transaction, one without changes',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      await each(client, BEGIN, insertItem(1), { kind: 'savepoint', name: 'a' }, insertItem(2));
      await each(client, { kind: 'rollbackTo', name: 'a' }, insertItem(3), COMMIT);
      await each(client, BEGIN, insertItem(4), message('lost', true), message('kept', false));
      await each(client, ROLLBACK, BEGIN, { kind: 'select', table: 'public.item', lock: 'update' });
      await each(client, COMMIT, BEGIN, message('told', true), insertItem(5), COMMIT);
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      return lines;
    },
    outcome: [
      'begin',
      ITEM,
      'insert item 1,v1,0',
      'insert item 3,v3,0',
      'commit',
      'message kept alone',
      'begin',
      'message told in',
      'insert item 5,v5,0',
      'commit',
    ],
  },
  {
    name: 'identity DEFAULT: the old key only when it changed; TRUNCATE describes the table again',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      const set = (id: number, values: Readonly<Record<string, string>>): ClientStatement => {
        return { kind: 'update', table: 'public.keyed', key: { id: `${id}` }, set: values };
      };
      await each(
        client,
        { kind: 'insert', table: 'public.keyed', row: { id: '1', v: 'a' } },
        set(1, { v: 'b' }),
        set(1, { id: '2' }),
        deleteFrom('keyed', 2),
        BEGIN,
        { kind: 'truncate', table: 'public.keyed' },
        { kind: 'insert', table: 'public.keyed', row: { id: '3', v: 'c' } },
        COMMIT,
        { kind: 'insert', table: 'public.keyed', row: { id: '4', v: 'd' } },
        { kind: 'insert', table: 'public.keyed', row: { id: '5', v: 'e' } },
      );
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      return lines.filter((line) => line !== 'begin' && line !== 'commit');
    },
    outcome: [
      KEYED,
      'insert keyed 1,a',
      'update keyed to 1,b',
      'update keyed key 1,- to 2,b',
      'delete keyed key 2,-',
      KEYED,
      'truncate keyed',
      'insert keyed 3,c',
      KEYED,
      'insert keyed 4,d',
      'insert keyed 5,e',
    ],
  },
  {
    name: 'a large value that an UPDATE leaves alone is not sent again; the old row has it',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      const large = incompressible(9_000);
      const set = (id: string, values: Readonly<Record<string, string>>): ClientStatement => {
        return { kind: 'update', table: 'public.parent', key: { id }, set: values };
      };
      const insert = { id: '1', v: large };
      await each(client, { kind: 'insert', table: 'public.parent', row: insert });
      await each(client, set('1', { id: '2' }), set('2', { v: 'small' }));
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      return lines.filter((line) => line.startsWith('update'));
    },
    outcome: [
      'update parent from 1,118…9000 to 2,unchanged',
      'update parent from 2,118…9000 to 2,small',
    ],
  },
  {
    name: 'what apply writes under its origin is left out; its marker is not',
    run: async (subject) => {
      const slot = await subject.slot();
      const { database } = subject;
      const session = await database.open('apply');
      const [state] = await session.flight([{ kind: 'readState' }]);
      const expectedGeneration = state?.kind === 'state' ? state.state.generation : -1;
      const item = relationOf('item', ['id', 'v', 'n']);
      const underOrigin = database.originSupported;
      const flight: readonly Statement[] = [
        { kind: 'begin', lockTimeoutMs: 1_000 },
        { kind: 'advanceVector', expectedGeneration, vector: 'v', hlc: 1 },
        ...(underOrigin ? [{ kind: 'enterOrigin' } as const] : []),
        { kind: 'insertRows', relation: item, rows: [['1', 'a', '1']] },
        ...(underOrigin ? [{ kind: 'leaveOrigin' } as const] : []),
        { kind: 'emitVerdict', content: 'verdict' },
        { kind: 'commit' },
      ];
      await session.flight(flight);
      await session.close();
      const lines: string[][] = [];
      for (const origin of underOrigin ? (['any', 'none'] as const) : (['any'] as const)) {
        const stream = await started(subject, slot, origin);
        const read = await untilEnd(subject, stream);
        lines.push(read.lines.map((line) => line.replace(/ (from|full|default|to|\d).*/, '')));
        await stream.close();
        await subject.sleep(60);
      }
      const filtered = lines[1] ?? [...OWN, VERDICT, 'commit'];
      return [lines[0], filtered];
    },
    outcome: [
      [...OWN, 'relation item', 'insert item', VERDICT, 'commit'],
      [...OWN, VERDICT, 'commit'],
    ],
  },
  {
    name: 'a stored generated column is in the stream from 18 on',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      await each(client, { kind: 'insert', table: 'public.note', row: { id: '1', small: '4' } });
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      const [relation = '', insert = ''] = lines.slice(1);
      const expected = subject.version >= 180_000;
      return [relation.includes('twice') === expected, insert.endsWith(',x,8') === expected];
    },
    outcome: [true, true],
  },
  {
    name: 'a mark of the engine’s comes at once, by itself, as often as the stream starts',
    run: async (subject) => {
      const slot = await subject.slot();
      const session = await subject.database.open('control');
      await session.flight([{ kind: 'emitMark', prefix: 'everywrite:mark', content: 'token' }]);
      await session.close();
      const stream = await started(subject, slot);
      const { lines } = await untilEnd(subject, stream);
      await stream.close();
      return lines;
    },
    outcome: ['message everywrite:mark alone'],
  },
  {
    name: 'a slot has one reader; one that is not there has none',
    run: async (subject) => {
      const slot = await subject.slot();
      const stream = await started(subject, slot);
      const outcomes = [
        await outcomeOf(started(subject, slot)),
        await outcomeOf(started(subject, 'nowhere')),
      ];
      await stream.close();
      await subject.sleep(100);
      const again = await started(subject, slot);
      await again.close();
      return outcomes;
    },
    outcome: ['55006', 'SLOT_MISSING'],
  },
  {
    name: 'begins again at the confirmed position, exactly, and not before what it was told to pass',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      await each(client, insertItem(1), insertItem(2));
      const stream = await started(subject, slot);
      const first = await untilEnd(subject, stream);
      await each(client, insertItem(3));
      stream.confirm(first.endLsn);
      await subject.sleep(150);
      const confirmed = await subject.confirmedLsn(slot);
      await stream.close();
      await subject.sleep(60);
      const again = await started(subject, slot);
      const second = await untilEnd(subject, again);
      await again.close();
      return [confirmed === first.endLsn, second.lines.filter((line) => line.startsWith('insert'))];
    },
    outcome: [true, ['insert item 3,v3,0']],
  },
  {
    name: 'kill -9: what was committed is there, what was open is not, and who was connected hears of it',
    run: async (subject) => {
      const slot = await subject.slot();
      const client = await subject.client();
      await each(client, insertItem(1));
      const stream = await started(subject, slot);
      const first = await untilEnd(subject, stream);
      stream.confirm(first.endLsn);
      const open = await subject.client();
      await each(open, BEGIN, insertItem(2));
      const session = await subject.database.open('control');
      await subject.sleep(100);
      await subject.restart();
      const ended = await outcomeOf(untilEnd(subject, stream));
      const flight = await outcomeOf(session.flight([{ kind: 'readState' }]));
      const after = await subject.client();
      await each(after, insertItem(3));
      const again = await started(subject, slot);
      const { lines } = await untilEnd(subject, again);
      await again.close();
      const seen = lines.filter((line) => line.startsWith('insert'));
      // Whether the first comes again depends on whether its confirmation had been saved.
      return [ended, flight, seen.at(-1), seen.includes('insert item 2,v2,0')];
    },
    outcome: ['DATABASE_UNREACHABLE', 'DATABASE_UNREACHABLE', 'insert item 3,v3,0', false],
  },
];
