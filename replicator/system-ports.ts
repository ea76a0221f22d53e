import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { Clock, Logger, Random, Timers } from '#core/ports.ts';

/** The real clock. The engine reads time only through this. */
export const systemClock: Clock = {
  wallUs: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
  monotonicMs: () => performance.now(),
};

export const systemTimers: Timers = {
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      if (ms <= 0) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
    }),
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
};

export const systemRandom: Random = { u32: () => randomBytes(4).readUInt32LE() };

/** JSON lines on standard error; `level` as pino names it. */
export function systemLogger(fields: Readonly<Record<string, unknown>>, level: string): Logger {
  const logger = pino(
    { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  return {
    log: (at, event, details) => logger[at](details ?? {}, event),
  };
}
