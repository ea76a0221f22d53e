import { zstdCompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import { sameDot } from '#core/transaction.ts';
import type { ChangeTransaction, TransactionHeader } from '#core/transaction.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { textType } from '#conflict/families/document.ts';
import { KeyState } from '#conflict/key-state.ts';
import { encodeBody } from '#replicator/engine/log/frame-body.ts';
import { KEY, typedRelation } from '#tests/conflict/typed-regions.ts';
import { typed } from '#tests/conflict/typists.ts';
import { editingTrace, patched } from '#tests/support/editing-trace.ts';

// What a `text` column costs the engine, in CPU time (the machine may be busy with other things): one
// person's keystrokes read off UPDATEs and merged in another region, then two people's at once.

const PER_FRAME = 500;
const RELATION = typedRelation('text');

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function report(line: string): void {
  process.stdout.write(`${line}\n`);
}

const alone = editingTrace('sveltecomponent');
if (alone !== null) {
  const replica = replicaId(parseRegionId('eu'), 1);
  let [text, there] = [alone.startContent, alone.startContent];
  let state = KeyState.EMPTY;
  let bytes = 0;
  let characters = 0;
  const frame: ChangeTransaction[] = [];
  const seconds = cpuSeconds(() => {
    for (const [at, { patches }] of alone.edits.entries()) {
      const after = patched(text, patches);
      const cell = textType.diff(text, after);
      text = after;
      if (cell === undefined) continue;
      for (const [, deleted, inserted] of patches) characters += deleted + inserted.length;
      const place = { commitLsn: ZERO_LSN, endLsn: ZERO_LSN, commitTimeUs: at };
      const by = { replica, region: parseRegionId('eu'), epoch: 1, sequence: at + 1, ...place };
      const header = { ...by, hlc: (at + 1) as Hlc, deps: new Map() };
      const op = {
        kind: 'update',
        relation: RELATION,
        key: KEY,
        columns: [1],
        cells: [cell],
      } as const;
      state = state.fold(header, op, IGNORE_CONFLICTS);
      const base = { value: there, has: (known: TransactionHeader) => !sameDot(known, header) };
      there = state.project('v', base) ?? '';
      frame.push({ ...header, ops: [op] });
      if (frame.length < PER_FRAME) continue;
      bytes += zstdCompressSync(new Packr({ useRecords: false }).pack(encodeBody(frame))).length;
      frame.length = 0;
      state = state.prune(() => true) ?? KeyState.EMPTY;
    }
  });
  const { length } = alone.edits;
  report(
    `one writer: ${length} updates of a text of ${text.length} characters, equal: ${there === text}`,
  );
  report(
    `  ${Math.round(characters / seconds)} characters, ${Math.round(length / seconds)} updates per CPU second`,
  );
  report(
    `  ${(bytes / length).toFixed(1)} bytes per update in the log, ${PER_FRAME} updates to a frame`,
  );
}

const together = editingTrace('friendsforever');
if (together !== null) {
  let texts: readonly string[] = [];
  const seconds = cpuSeconds(() => (texts = typed(together.edits)));
  const right = texts.every((text) => text === together.endContent);
  report(`two writers at once: ${together.edits.length} updates, both right: ${right}`);
  report(
    `  ${Math.round(together.edits.length / seconds)} updates per CPU second, in both regions together`,
  );
}
