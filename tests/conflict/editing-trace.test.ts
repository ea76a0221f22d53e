import { expect, test } from 'vitest';
import { typed } from '#tests/conflict/typists.ts';
import { editingTrace } from '#tests/support/editing-trace.ts';

// Two people write one text at the same time, keystroke by keystroke, as they really did: what each of
// them saw when they pressed a key is in the trace.
const trace = editingTrace('friendsforever');

test.skipIf(trace === null)(
  '26,000 keystrokes of two people end in the text they ended in',
  () => {
    for (const text of typed(trace?.edits ?? [])) expect(text).toBe(trace?.endContent);
  },
  120_000,
);
