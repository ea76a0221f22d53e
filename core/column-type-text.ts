/**
 * How column types are written down: in the configuration, in SQL comments, in settings rows and in
 * frames. `rank(new<paid<shipped)`; everything else is a word, `flag` with one in parentheses.
 */
export const COLUMN_TYPE_NAMES = [
  'lww',
  'counter',
  'max',
  'min',
  'flag',
  'rank',
  'set',
  'map',
  'text',
  'list',
  'json',
] as const;

export type ColumnTypeName = (typeof COLUMN_TYPE_NAMES)[number];

/** As a person may say it, for messages. */
export const COLUMN_TYPE_FORMS: readonly string[] = COLUMN_TYPE_NAMES.map((name) =>
  name === 'rank' ? 'rank(a<b<c)' : name,
);

const FLAG_POLICIES = ['enable-wins', 'disable-wins'];
const LABELS_MAX = 64;
const FORM = /^([a-z]+)(?:\(([^()]*)\))?$/;

export interface ColumnTypeText {
  readonly name: ColumnTypeName;
  /** The labels of a rank, lowest first; the policy of a flag; else empty. */
  readonly parameters: readonly string[];
  /** The one way to write this type, by which it is compared. */
  readonly text: string;
}

export type ParsedColumnType =
  | { readonly kind: 'ok'; readonly type: ColumnTypeText }
  /** `message` says what was expected; `word` is what the nearest name may be looked for with. */
  | { readonly kind: 'wrong'; readonly message: string; readonly word: string };

/** A column type from its text. */
export function parseColumnType(text: string): ParsedColumnType {
  const [, word = '', inside] = FORM.exec(text.trim()) ?? [];
  const name = COLUMN_TYPE_NAMES.find((known) => known === word);
  const given = inside === undefined ? [] : inside.split('<').map((part) => part.trim());
  if (name === undefined) {
    const message = `is "${text}"; allowed are ${COLUMN_TYPE_FORMS.join(', ')}`;
    return { kind: 'wrong', message, word: word === '' ? text : word };
  }
  const wrong = (message: string): ParsedColumnType => ({ kind: 'wrong', message, word: name });
  if (name === 'rank') {
    const distinct = new Set(given).size === given.length && !given.includes('');
    if (given.length < 2 || given.length > LABELS_MAX || !distinct) {
      return wrong(
        `is "${text}"; a rank lists 2 to ${LABELS_MAX} different labels, the lowest first: rank(a<b<c)`,
      );
    }
    return { kind: 'ok', type: { name, parameters: given, text: `rank(${given.join('<')})` } };
  }
  if (name === 'flag' && inside !== undefined) {
    const [policy = ''] = given;
    if (given.length !== 1 || !FLAG_POLICIES.includes(policy)) {
      return wrong(
        `is "${text}"; a flag is flag(enable-wins), which is meant by flag, or flag(disable-wins)`,
      );
    }
    const disable = policy === 'disable-wins';
    return {
      kind: 'ok',
      type: { name, parameters: [policy], text: disable ? 'flag(disable-wins)' : 'flag' },
    };
  }
  if (inside !== undefined) return wrong(`is "${text}"; ${name} takes nothing in parentheses`);
  return { kind: 'ok', type: { name, parameters: [], text: name } };
}
