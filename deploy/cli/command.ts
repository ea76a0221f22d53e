/** What a command may touch of the process: so tests run commands without one. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C and on SIGTERM; a command then cleans up and returns, or rejects. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  /** One line of `everywrite --help`. */
  readonly summary: string;
  /** The whole text of `everywrite <name> --help`. */
  readonly help: string;
  /** Resolves to the exit code; an EverywriteError is printed and mapped to one. */
  run(args: readonly string[], io: Io): Promise<number>;
}
