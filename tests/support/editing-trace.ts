import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const FOLDER = join(import.meta.dirname, '../../../shared/data');

/** One keystroke, or a few: by whom, having seen how many of each person's. */
export interface TraceEdit {
  readonly agent: number;
  readonly seen: readonly number[];
  readonly patches: readonly (readonly [position: number, deleted: number, inserted: string])[];
}

export interface EditingTrace {
  readonly edits: readonly TraceEdit[];
  readonly startContent: string;
  readonly endContent: string;
}

interface TraceFile {
  readonly startContent?: string;
  readonly endContent: string;
  readonly numAgents?: number;
  readonly txns: readonly {
    readonly parents?: readonly number[];
    readonly agent?: number;
    readonly patches: TraceEdit['patches'];
  }[];
}

/** A recording of people at work (github.com/josephg/editing-traces); null when it is not there. */
export function editingTrace(name: string): EditingTrace | null {
  const path = join(FOLDER, `${name}.json.gz`);
  if (!existsSync(path)) {
    process.stderr.write(`skipping what replays ../shared/data/${name}.json.gz: it is not there\n`);
    return null;
  }
  const file = JSON.parse(gunzipSync(readFileSync(path)).toString()) as TraceFile;
  const counts = Array.from({ length: file.numAgents ?? 1 }, () => 0);
  const versions: (readonly number[])[] = [];
  const edits = file.txns.map(({ parents = [], agent = 0, patches }, at): TraceEdit => {
    const known = (file.numAgents === undefined && at > 0 ? [at - 1] : parents).map(
      (parent) => versions[parent] ?? [],
    );
    const seen = counts.map((_, person) => Math.max(0, ...known.map((v) => v[person] ?? 0)));
    counts[agent] = (counts[agent] ?? 0) + 1;
    versions.push(seen.with(agent, counts[agent] ?? 0));
    return { agent, seen, patches };
  });
  return { edits, startContent: file.startContent ?? '', endContent: file.endContent };
}

/** Patches one after the other; positions of a trace are counted in code points. */
export function patched(text: string, patches: TraceEdit['patches']): string {
  return patches.reduce((now, [position, deleted, inserted]) => {
    const start = unitAt(now, 0, position);
    return now.slice(0, start) + inserted + now.slice(unitAt(now, start, deleted));
  }, text);
}

/** `points` code points behind `start`: each astral one that is passed takes two units. */
function unitAt(text: string, start: number, points: number): number {
  let end = start + points;
  const astral = /[\ud800-\udbff]/g;
  astral.lastIndex = start;
  for (let next = astral.exec(text); next !== null && next.index < end; next = astral.exec(text)) {
    end++;
  }
  return end;
}
