/** Prepared statements that one connection keeps; the least recently used one makes room. */
export const PREPARED_MAX = 500;

/** Which statements the server has prepared on one connection, and under what names. */
export class StatementNames {
  /** In order of use, the oldest first. */
  readonly #names = new Map<string, string>();
  /** Sent to be parsed and not yet answered. */
  #pending: string[] = [];
  #count = 0;

  /** What to send for a text: its name, whether it must be parsed, and whom to close for it. */
  use(text: string): {
    readonly name: string;
    readonly parse: boolean;
    readonly close: string | null;
  } {
    const known = this.#names.get(text);
    if (known !== undefined) {
      this.#names.delete(text);
      this.#names.set(text, known);
      return { name: known, parse: false, close: null };
    }
    const close = this.#oldest();
    this.#count += 1;
    const name = `g${this.#count}`;
    this.#names.set(text, name);
    this.#pending.push(text);
    return { name, parse: true, close };
  }

  parsed(): void {
    this.#pending.shift();
  }

  /** After an error the server skips what follows, so nothing that is still pending was parsed. */
  failed(): void {
    for (const text of this.#pending) this.#names.delete(text);
    this.#pending = [];
  }

  #oldest(): string | null {
    if (this.#names.size < PREPARED_MAX) return null;
    for (const [text, name] of this.#names) {
      this.#names.delete(text);
      return name;
    }
    return null;
  }
}
