import { createHook } from 'node:async_hooks';
import type { AsyncHook } from 'node:async_hooks';

export interface EscapeListeners {
  /** Whether a simulated process runs now. */
  process(): boolean;
  escaped(message: string): void;
  rejected(reason: unknown): void;
}

/** What needs no event loop, or is the kernel's own. */
const HARMLESS = new Set(['Microtask', 'TickObject', 'PROMISE', 'Immediate']);
const STACK_FRAMES = 40;
const OURS = /\/(?:core|conflict|replicator|gateway|sim|tests)\/[\w./-]+\.ts:\d+/;
const SYNCHRONOUS = /(?:sync|Sync)\w* \(node:zlib/;
const DETECTOR = /sim\/kernel\/escape-detector\.ts/;

/**
 * Whatever comes back through the event loop instead of the kernel (a real timer, native crypto, a
 * socket) comes at a different place in every run. This names the source line that started it. A call
 * from no file of ours is somebody else's: a test runner works in the same thread.
 */
export class EscapeDetector {
  readonly #listeners: EscapeListeners;
  readonly #hook: AsyncHook;
  readonly #rejected = (reason: unknown): void => this.#listeners.rejected(reason);
  #others: NodeJS.UnhandledRejectionListener[] = [];
  #restore: (() => void)[] = [];

  constructor(listeners: EscapeListeners) {
    this.#listeners = listeners;
    this.#hook = createHook({
      trackPromises: false,
      init: (_id, type) => {
        if (!HARMLESS.has(type) && listeners.process()) this.#look(type);
      },
    });
  }

  start(): void {
    this.#others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', this.#rejected);
    this.#guard(globalThis.Date, 'now');
    this.#guard(globalThis.Math, 'random');
    this.#guard(globalThis.performance, 'now');
    this.#guard(globalThis, 'setImmediate');
    this.#hook.enable();
  }

  stop(): void {
    this.#hook.disable();
    for (const restore of this.#restore.splice(0)) restore();
    process.removeListener('unhandledRejection', this.#rejected);
    for (const other of this.#others) process.on('unhandledRejection', other);
  }

  /** Reads of a real clock or of real randomness start nothing, so the hook does not see them. */
  #guard<Name extends string>(owner: Readonly<Record<Name, unknown>>, name: Name): void {
    const original = Object.getOwnPropertyDescriptor(owner, name);
    const run = owner[name];
    if (typeof run !== 'function') return;
    const look = (): void => {
      if (this.#listeners.process()) this.#look(name);
    };
    const value = function guarded(this: unknown, ...values: readonly unknown[]): unknown {
      look();
      return Reflect.apply(run, this, values);
    };
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
    this.#restore.push(() => {
      if (original === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, original);
    });
  }

  #look(what: string): void {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = STACK_FRAMES;
    const stack = (new Error('escape').stack ?? '').split('\n').slice(1);
    Error.stackTraceLimit = limit;
    // The synchronous half of zlib makes the same handle as the other one.
    if (stack.some((frame) => SYNCHRONOUS.test(frame))) return;
    const ours = stack.filter((frame) => OURS.test(frame) && !/node_modules/.test(frame));
    const line = ours.find(
      (frame) => !DETECTOR.test(frame) && !/sim\/kernel\/kernel\.ts/.test(frame),
    );
    if (line === undefined) return;
    this.#listeners.escaped(`${what} was used outside the ports: ${line.trim()}`);
  }
}
