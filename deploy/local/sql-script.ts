/** One piece of a psql script, with the line on which it begins. */
export type ScriptItem =
  | { readonly kind: 'statement'; readonly text: string; readonly line: number }
  /** `COPY … FROM STDIN` with the data lines that follow it, as `pg_dump` writes them. */
  | { readonly kind: 'copy'; readonly text: string; readonly data: string; readonly line: number }
  /** A backslash command of psql: `\connect shop`. */
  | { readonly kind: 'meta'; readonly text: string; readonly line: number };

// What may hold a semicolon without ending a statement is one token. An unfinished quotation goes on
// to the end of the script, where the server will complain about it.
const TOKENS = [
  String.raw`(?<space>\s+|--[^\n]*)`,
  String.raw`(?<comment>/\*)`,
  // An E'' string knows the backslash, an ordinary one does not.
  String.raw`(?:[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$))`,
  String.raw`(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)`,
  String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
  String.raw`(?:\d[\w.]*)`,
  String.raw`(?<sign>[\s\S])`,
];
const COPY_FROM_STDIN = /^COPY\b[\s\S]*\bFROM\s+STDIN\b/i;
const CREATE_ROUTINE = /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b/i;
const CREATE_ROUTINE_LENGTH = 80;

/** Splits a script where psql would. Text after the last semicolon is a statement as well. */
export function splitScript(script: string): readonly ScriptItem[] {
  return new Splitter(script.replaceAll('\r\n', '\n')).split();
}

class Splitter {
  readonly #script: string;
  readonly #token = new RegExp(TOKENS.join('|'), 'y');
  readonly #items: ScriptItem[] = [];
  /** Where the statement being read begins: at its first token that is no space and no comment. */
  #start: number | null = null;
  #parentheses = 0;
  /** Depth of BEGIN ATOMIC … END in the body of a routine. */
  #blocks = 0;
  #countedTo = 0;
  #line = 1;

  constructor(script: string) {
    this.#script = script;
  }

  split(): readonly ScriptItem[] {
    let at = 0;
    while (at < this.#script.length) {
      this.#token.lastIndex = at;
      const match = this.#token.exec(this.#script);
      if (match === null) break;
      at = this.#accept(match);
    }
    this.#finish(this.#script.length);
    return this.#items;
  }

  /** Takes one token; returns where the next begins. */
  #accept({ 0: token, index, groups = {} }: RegExpExecArray): number {
    const end = index + token.length;
    if (groups['space'] !== undefined) return end;
    if (groups['comment'] !== undefined) return this.#endOfComment(end);
    if (token === '\\' && this.#start === null) return this.#meta(index);
    if (token === ';' && this.#parentheses === 0 && this.#blocks === 0) return this.#finish(index);
    this.#start ??= index;
    if (groups['dollar'] !== undefined) {
      const close = this.#script.indexOf(token, end);
      return close < 0 ? this.#script.length : close + token.length;
    }
    if (groups['word'] !== undefined) this.#word(token.toLowerCase(), this.#start);
    else if (token === '(') this.#parentheses += 1;
    else if (token === ')') this.#parentheses = Math.max(0, this.#parentheses - 1);
    return end;
  }

  /** Comments nest in SQL. */
  #endOfComment(from: number): number {
    const edge = /\/\*|\*\//g;
    edge.lastIndex = from;
    for (let depth = 1; depth > 0;) {
      const match = edge.exec(this.#script);
      if (match === null) return this.#script.length;
      depth += match[0] === '/*' ? 1 : -1;
    }
    return edge.lastIndex;
  }

  #word(word: string, start: number): void {
    if (word !== 'begin' && word !== 'case' && word !== 'end') return;
    const head = this.#script.slice(start, start + CREATE_ROUTINE_LENGTH);
    if (!CREATE_ROUTINE.test(head)) return;
    if (word === 'begin' || (word === 'case' && this.#blocks > 0)) this.#blocks += 1;
    else if (word === 'end' && this.#blocks > 0) this.#blocks -= 1;
  }

  #meta(index: number): number {
    const end = this.#endOfLine(index);
    const text = this.#script.slice(index, end).trim();
    this.#items.push({ kind: 'meta', text, line: this.#lineOf(index) });
    return end;
  }

  #finish(semicolon: number): number {
    const start = this.#start;
    this.#start = null;
    this.#parentheses = 0;
    this.#blocks = 0;
    const end = semicolon + 1;
    if (start === null) return end;
    const text = this.#script.slice(start, semicolon).trimEnd();
    const line = this.#lineOf(start);
    if (COPY_FROM_STDIN.test(text)) return this.#copy(text, line, this.#endOfLine(end) + 1);
    this.#items.push({ kind: 'statement', text, line });
    return end;
  }

  /** The data lines of a COPY end with a line that holds `\.`, or with the script. */
  #copy(text: string, line: number, first: number): number {
    const stop = /^\\\.[ \t]*$/gm;
    stop.lastIndex = first;
    const match = stop.exec(this.#script);
    const data = this.#script.slice(first, match?.index);
    this.#items.push({ kind: 'copy', text, data, line });
    return match === null ? this.#script.length : stop.lastIndex;
  }

  #endOfLine(index: number): number {
    const end = this.#script.indexOf('\n', index);
    return end < 0 ? this.#script.length : end;
  }

  /** Counts on from its last answer, because items come in order. */
  #lineOf(index: number): number {
    this.#line += countLines(this.#script.slice(this.#countedTo, index));
    this.#countedTo = index;
    return this.#line;
  }
}

/** How many lines end in a text. */
export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
