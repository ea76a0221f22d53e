import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { ReplicaId } from '#core/region.ts';
import type { CaptureSettings } from '#core/settings.ts';
import { compareStamps } from '#core/transaction.ts';
import type { CaptureEvent, CaptureState } from '#replicator/engine/capture/capture.ts';
import { frameRecords, ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import {
  commit,
  endOf,
  insert,
  marker,
  OTHER,
  remove,
  settings,
  SETTINGS,
  START,
  truncate,
  update,
  Walsender,
} from '#tests/replicator/engine/capture/walsender.ts';
import type { WalItem } from '#tests/replicator/engine/capture/walsender.ts';

const US = 'us.1' as ReplicaId;
const row = fc
  .tuple(
    fc.constantFrom('1', '2'),
    fc.constantFrom('x', 'y', null),
    fc.constantFrom('0', '5', null),
  )
  .map(([id, a, n]) => [id, a, n, `${a}!`]);
const change = fc.oneof(
  row.map((values) => insert(values)),
  fc.tuple(row, row).map(([old, values]) => update(old, values)),
  row.map((old) => remove(old)),
  fc.constant(truncate()),
  fc.constant(insert(['9'], OTHER)),
);
const timeUs = fc.nat({ max: 5000 });

const wal: fc.Arbitrary<readonly WalItem[]> = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.tuple(timeUs, fc.array(change, { maxLength: 4 })) },
      { weight: 2, arbitrary: fc.record({ marker: fc.nat({ max: 9 }), hlc: timeUs }) },
      fc.record({ offset: fc.integer({ min: -900, max: 900 }), lww: fc.boolean() }),
      fc.constantFrom('everywrite:heartbeat', 'everywrite:mark', 'other'),
    ),
    { minLength: 1, maxLength: 25 },
  )
  .map((drawn) => {
    let met = 0;
    let generation = 0;
    return drawn.map((item, at): WalItem => {
      if (typeof item === 'string') return { kind: 'message', prefix: item, content: String(at) };
      if ('offset' in item) return commit(at, settings(settingsOf(at + 2, item.offset, item.lww)));
      if (!('marker' in item)) return commit(item[0], ...item[1]);
      met += item.marker;
      return commit(at, marker(++generation, new Map([[US, met]]), item.hlc));
    });
  });

function settingsOf(id: number, clockOffsetUs: number, lww: boolean): CaptureSettings {
  const table = must(SETTINGS.tables['public.t'], 'table');
  const columns: typeof table.columns = lww ? {} : { n: 'counter' };
  return { id, tables: { 'public.t': { ...table, columns } }, clockOffsetUs };
}

/** What is logged: the frame of each transaction and heartbeat, which is also capture's checkpoint. */
function logged(event: CaptureEvent): OwnRecord | null {
  if (event.kind === 'transaction') {
    return ownTransactionRecord(event.transaction, event.piece, event.xid, event.state);
  }
  if (event.kind !== 'heartbeat') return null;
  const { endLsn, state, content } = event;
  return { kind: 'heartbeat', endLsn, wallUs: Number(content), state, bytes: 100 };
}

/** The state that a restart reads out of a frame's header. */
function checkpointOf(record: OwnRecord, known: readonly CaptureSettings[]): CaptureState {
  const { header } = must(frameRecords([record])[0], 'frame');
  const { replica, lastSequence: sequence, hlc, vector, settingsId } = header;
  const found = must(
    known.find(({ id }) => id === settingsId),
    'settings',
  );
  return { replica, sequence, hlc, vector, settings: found };
}

function bytesOf(records: readonly OwnRecord[]): readonly string[] {
  return records.map((record) =>
    Buffer.from(must(frameRecords([record])[0], 'f').bytes).toString('hex'),
  );
}

/** Decodes the WAL after `endLsn`; after some items the server describes its tables again. */
function decode(items: readonly WalItem[], from: CaptureState, after: number, again: number) {
  const sender = new Walsender(from);
  const known: CaptureSettings[] = [from.settings];
  const records = items.flatMap((item, at) => {
    if (endOf(at + 1) <= after) return [];
    if (at % again === 0) sender.forget();
    const events = sender.send(item, at + 1);
    known.push(sender.capture.state.settings);
    return events.map(logged).filter((record) => record !== null);
  });
  return { records, known };
}

test('decoding again from any record gives the same bytes, however often tables are described', () => {
  fc.assert(
    fc.property(wal, fc.nat(), fc.integer({ min: 1, max: 5 }), (items, pick, again) => {
      const whole = decode(items, START, 0, 1000);
      const at = pick % (whole.records.length + 1);
      const record = whole.records[at - 1];
      const from = record === undefined ? START : checkpointOf(record, whole.known);
      const after = record === undefined ? 0 : endLsnOf(record);
      const second = decode(items, from, after, again);
      expect(bytesOf(second.records)).toEqual(bytesOf(whole.records.slice(at)));
    }),
    { numRuns: 150 },
  );
});

function endLsnOf(record: OwnRecord): number {
  return record.kind === 'heartbeat' ? record.endLsn : record.transaction.endLsn;
}

test('own stamps ascend, sequences are dense, and dependencies never go back', () => {
  fc.assert(
    fc.property(wal, (items) => {
      const { records } = decode(items, START, 0, 1000);
      const own = records.flatMap((r) => (r.kind === 'transaction' ? [r.transaction] : []));
      own.forEach((transaction, at) => {
        expect(transaction.sequence).toBe(at + 1);
        const before = own[at - 1];
        if (before === undefined) return;
        expect(compareStamps(before, transaction)).toBeLessThan(0);
        expect(transaction.deps.get(US) ?? 0).toBeGreaterThanOrEqual(before.deps.get(US) ?? 0);
      });
    }),
  );
});
