import type { Io } from '#deploy/cli/command.ts';
import { parseFlags, usageError } from '#deploy/cli/flags.ts';
import { textTable } from '#deploy/cli/text-table.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { CATALOGUE } from '#sim/catalogue/catalogue.ts';
import { PROPERTIES } from '#sim/check/properties.ts';
import { FAULT_WORDS, TRIGGERS } from '#sim/scenario/fault-vocabulary.ts';
import { WORKLOADS } from '#sim/scenario/scenario.ts';

const TOPICS = ['scenarios', 'faults', 'properties', 'workloads'] as const;
type Topic = (typeof TOPICS)[number];

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  const { positionals } = parseFlags('list', args, {}, 'words');
  const [given] = positionals;
  const topics = given === undefined ? TOPICS : [topicOf(given)];
  io.out(`${topics.map((topic) => `${topic}:\n${table(topic)}`).join('\n\n')}\n`);
  return Promise.resolve(0);
}

function topicOf(name: string): Topic {
  const topic = TOPICS.find((candidate) => candidate === name);
  if (topic !== undefined) return topic;
  throw usageError(
    `sim list knows ${TOPICS.join(', ')}, not "${name}".${didYouMean(name, TOPICS)}`,
  );
}

function table(topic: Topic): string {
  switch (topic) {
    case 'scenarios':
      return rows(CATALOGUE.map(({ name, about }) => [name, about]));
    case 'faults':
      return [
        rows(
          FAULT_WORDS.flatMap(({ name, about, keys }) => [
            [name, about],
            ['', keys],
          ]),
        ),
        '  after: {event: REGION.MOMENT, count: N} begins a fault at the N-th',
        rows(Object.entries(TRIGGERS)),
      ].join('\n');
    case 'properties':
      return rows(PROPERTIES.map(({ id, name, claim }) => [id, `${name}: ${claim}`]));
    default:
      return rows(Object.entries(WORKLOADS));
  }
}

function rows(entries: readonly (readonly string[])[]): string {
  const left = { title: '', align: 'left' } as const;
  return textTable([left, left], entries).slice(1).join('\n');
}
