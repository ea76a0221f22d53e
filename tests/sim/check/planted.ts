import { PROPERTIES } from '#sim/check/properties.ts';
import type { Verdict } from '#sim/check/property.ts';
import { Truth } from '#sim/check/truth.ts';
import type { RunFrame } from '#sim/check/truth.ts';
import type { CommitEvent, CompleteEvent, HistoryEvent, LoggedEvent } from '#sim/history/event.ts';

/** What a checker says of these events; `frame` changes what is known beside them. */
export function verdictOf(
  id: string,
  base: Truth,
  events: readonly HistoryEvent[],
  frame: Partial<RunFrame> = {},
): Verdict {
  const property = PROPERTIES.find((candidate) => candidate.id === id);
  if (property === undefined) throw new Error(`no property ${id}`);
  return property.check(new Truth({ ...base.frame, ...frame }, events));
}

/** `ok`, `fail` and `info` share one interface. */
type EventOf<Kind extends HistoryEvent['kind']> = Kind extends CompleteEvent['kind']
  ? CompleteEvent
  : Extract<HistoryEvent, { kind: Kind }>;

/** The events with one of them replaced: the `nth` that fits. Throws when none does. */
export function replaced<Kind extends HistoryEvent['kind']>(
  events: readonly HistoryEvent[],
  kind: Kind,
  fits: (event: EventOf<Kind>) => boolean,
  change: (event: EventOf<Kind>) => readonly HistoryEvent[],
): readonly HistoryEvent[] {
  const at = events.findIndex((event) => event.kind === kind && fits(event as EventOf<Kind>));
  const found = events[at];
  if (found === undefined) throw new Error(`no ${kind} event to change`);
  const next = change(found as EventOf<Kind>);
  return [...events.slice(0, at), ...next, ...events.slice(at + 1)];
}

export function isApply(event: CommitEvent): boolean {
  return event.by === 'apply' && event.changes.length > 0 && event.atUs > 2_000_000;
}

export function isOwn(event: LoggedEvent): boolean {
  return event.replica.startsWith(`${event.region}.`) && event.atUs > 2_000_000;
}
