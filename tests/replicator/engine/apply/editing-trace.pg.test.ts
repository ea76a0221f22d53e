import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { typed } from '#tests/conflict/typists.ts';
import { editingTrace, patched } from '#tests/support/editing-trace.ts';
import type { TraceEdit } from '#tests/support/editing-trace.ts';
import { withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// What two people typed at the same time, as one SQL UPDATE per keystroke in the region of each: every
// keystroke is made when exactly what its author had seen is in the table. `npm run test:trace` types all
// of it; CI, its beginning.

const trace = editingTrace('friendsforever');
const whole = process.env['EVERYWRITE_TRACE'] === 'full';
const KEYSTROKES = 400;
const PATIENCE_MS = 20_000;

describe.skipIf(trace === null)('two people write one text', () => {
  const regions = withRegions({
    schema: 'CREATE TABLE texts (id int PRIMARY KEY, body text);',
    columns: { 'public.texts.body': 'text' },
  });

  test(
    'keystroke by keystroke, in two regions, with the concurrency that they really had',
    async () => {
      const edits = (trace?.edits ?? []).slice(0, whole ? undefined : KEYSTROKES);
      const desks = [regions().region('eu'), regions().region('us')].map((at) => new Desk(at));
      await desks[0]?.region.sql.query(`INSERT INTO texts VALUES (1, '')`);
      await regions().settle();
      for (const [at, desk] of desks.entries()) desk.begin(desks[1 - at]);
      for (const desk of desks) await desk.see(0);
      const pauses = desks.map(
        (_, at) =>
          new Set(edits.flatMap(({ agent, seen }) => (agent === at ? [] : (seen[at] ?? 0)))),
      );
      const started = performance.now();
      for (const edit of edits) {
        const desk = desks[edit.agent];
        await desk?.see(edit.seen[1 - edit.agent] ?? 0);
        await desk?.type(edit, pauses[edit.agent] ?? new Set());
      }
      const seconds = (performance.now() - started) / 1000;
      await regions().letGo();
      const contents = await regions().converge();
      const [row = '{}'] = contents.tables['public.texts'] ?? [];
      const { body } = JSON.parse(row) as { readonly body: string };
      expect(body).toBe(whole ? trace?.endContent : typed(edits)[0]);
      if (whole) process.stderr.write(`${edits.length} keystrokes in ${seconds.toFixed(0)} s\n`);
    },
    whole ? 1_800_000 : 60_000,
  );
});

/** Where one of them sits. */
class Desk {
  readonly region: TestRegion;
  #other: Desk | null = null;
  /** By number of keystrokes: the last transaction of them. A keystroke that changes nothing is none. */
  readonly #sequences: number[] = [];
  #seen = 0;
  #text: string | null = null;

  constructor(region: TestRegion) {
    this.region = region;
  }

  begin(other: Desk | undefined): void {
    this.#sequences.push(this.region.status()?.captured ?? 0);
    this.#other = other ?? null;
  }

  /** Lets through what the other had typed by then, and no more. */
  async see(count: number): Promise<void> {
    const other = this.#other;
    if (other === null) return;
    const gate = this.region.from(other.region.name);
    const reach = other.#sequences[count] ?? 0;
    gate.upTo(reach);
    if (count <= this.#seen) return;
    this.#seen = count;
    this.#text = null;
    const dots = `${other.region.name}.1`;
    await until(
      () => (this.region.status()?.applied[dots] ?? 0) >= reach,
      () => [reach, this.region.status(), other.region.status()],
    );
  }

  async type({ patches }: TraceEdit, pauses: ReadonlySet<number>): Promise<void> {
    const { sql } = this.region;
    if (this.#text === null) {
      const { rows } = await sql.query<{ body: string }>('SELECT body FROM texts WHERE id = 1');
      this.#text = rows[0]?.body ?? '';
    }
    const before = this.#text;
    this.#text = patched(before, patches);
    await sql.query('UPDATE texts SET body = $1 WHERE id = 1', [this.#text]);
    this.#sequences.push((this.#sequences.at(-1) ?? 0) + (before === this.#text ? 0 : 1));
    // Somebody is to see this much and no more: it ends a frame.
    if (pauses.has(this.#sequences.length - 1)) await this.#publish();
  }

  async #publish(): Promise<void> {
    const reach = this.#sequences.at(-1) ?? 0;
    await until(
      () => {
        const status = this.region.status();
        return (status?.captured ?? 0) >= reach && status?.unpublishedBytes === 0;
      },
      () => [reach, this.region.status()],
    );
  }
}

async function until(holds: () => boolean, told: () => unknown): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > deadline)
      throw new Error(`the regions have stopped: ${JSON.stringify(told())}`);
    await sleep(1);
  }
}
