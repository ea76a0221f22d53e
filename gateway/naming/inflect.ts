/** Word forms. A pure function of the word itself: what else is in the database never matters. */
const UNCOUNTABLE = new Set([
  'data',
  'equipment',
  'information',
  'metadata',
  'money',
  'news',
  'rice',
  'series',
  'sheep',
  'species',
  'status',
]);

const IRREGULAR: readonly (readonly [singular: string, plural: string])[] = [
  ['child', 'children'],
  ['criterion', 'criteria'],
  ['foot', 'feet'],
  ['goose', 'geese'],
  ['index', 'indices'],
  ['man', 'men'],
  ['matrix', 'matrices'],
  ['mouse', 'mice'],
  ['movie', 'movies'],
  ['ox', 'oxen'],
  ['person', 'people'],
  ['quiz', 'quizzes'],
  ['tooth', 'teeth'],
  ['vertex', 'vertices'],
  ['woman', 'women'],
];

const PLURALS: readonly (readonly [RegExp, string])[] = [
  [/(ax|test)is$/, '$1es'],
  [/(octop|vir)us$/, '$1i'],
  [/(alias|bonus|campus|census|virus)$/, '$1es'],
  [/(buffal|her|potat|tomat|ech)o$/, '$1oes'],
  [/sis$/, 'ses'],
  [/(kni|li|wi)fe$/, '$1ves'],
  [/(cal|el|hal|lea|scar|sel|shel|wol)f$/, '$1ves'],
  [/([^aeiou]|qu)y$/, '$1ies'],
  [/(x|ch|ss|sh|z)$/, '$1es'],
  [/s$/, 'ses'],
  [/$/, 's'],
];

const SINGULARS: readonly (readonly [RegExp, string])[] = [
  [/(alias|bonus|campus|census|virus)es$/, '$1'],
  [/(ss|us|is)$/, '$1'],
  [/(analy|ba|diagno|parenthe|progno|synop|the|cri|oa|hypothe)ses$/, '$1sis'],
  [/(buffal|her|potat|tomat|ech)oes$/, '$1o'],
  [/([^aeiouy]|qu)ies$/, '$1y'],
  [/(kni|li|wi)ves$/, '$1fe'],
  [/(cal|el|hal|lea|scar|sel|shel|wol)ves$/, '$1f'],
  [/(x|ch|ss|sh|zz)es$/, '$1'],
  [/(bu|ga|lens|atla|mini)ses$/, '$1s'],
  [/s$/, ''],
];

export function plural(word: string): string {
  return inflect(word, (last) => {
    if (UNCOUNTABLE.has(last)) return last;
    const known = IRREGULAR.find(([one, many]) => one === last || many === last);
    if (known !== undefined) return known[1];
    return apply(singularWord(last), PLURALS);
  });
}

export function singular(word: string): string {
  return inflect(word, singularWord);
}

function singularWord(last: string): string {
  if (UNCOUNTABLE.has(last)) return last;
  const known = IRREGULAR.find(([one, many]) => one === last || many === last);
  return known === undefined ? apply(last, SINGULARS) : known[0];
}

/** Changes the last word of a camelCase name, whatever its case. */
function inflect(name: string, change: (word: string) => string): string {
  const start = /[A-Z]?[a-z]+$|[A-Z]+$|[a-zA-Z]+$/.exec(name)?.index ?? 0;
  const last = name.slice(start);
  const changed = change(last.toLowerCase());
  if (changed === last.toLowerCase()) return name;
  const kept = commonPrefix(last.toLowerCase(), changed);
  return name.slice(0, start) + last.slice(0, kept) + changed.slice(kept);
}

function commonPrefix(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}

function apply(word: string, rules: readonly (readonly [RegExp, string])[]): string {
  const rule = rules.find(([pattern]) => pattern.test(word));
  return rule === undefined ? word : word.replace(...rule);
}
