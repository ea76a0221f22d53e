import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openLog, STREAM } from '#tests/replicator/nats/log-fixture.ts';
import type { LogFixture } from '#tests/replicator/nats/log-fixture.ts';
import { NATS_CASES, STREAM_BYTES_MAX } from '#tests/sim/nats-contract.ts';
import type { NatsSubject } from '#tests/sim/nats-contract.ts';

test.for(NATS_CASES)('nats-server: $name', async ({ run, outcome }) => {
  const log = await openLog();
  try {
    expect(await run(subject(log))).toEqual(outcome);
  } finally {
    await log.close();
  }
});

function subject(log: LogFixture): NatsSubject {
  const limits = { streamBytesMax: STREAM_BYTES_MAX };
  return {
    client: () => log.stores({ limits }).local(),
    stream: () => log.stream({ limits }),
    sleep: (ms) => sleep(ms),
    restart: async () => {
      await log.server.kill();
      await log.server.start();
    },
    kill: () => log.server.kill(),
    deleteStream: async () => {
      const manager = await log.manager();
      await manager.streams.delete(STREAM);
    },
  };
}
