import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { startNats } from '#deploy/local/nats-server.ts';
import { freePort } from '#deploy/local/ports.ts';
import { isAlive } from '#deploy/local/process-table.ts';
import { withNats } from '#tests/support/servers.ts';

const maxPayloadBytes = 2 * 1024 * 1024;
const nats = withNats({ maxPayloadBytes, maxStoreBytes: 256 * 1024 * 1024 });

async function messagesIn(url: string, stream: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    const manager = await jetstreamManager(connection);
    return (await manager.streams.info(stream)).state.messages;
  } finally {
    await connection.close();
  }
}

test('JetStream is ready when the server is, and its streams survive a stop and a kill', async () => {
  const server = await nats.server();
  const connection = await connect({ servers: server.url });
  expect(connection.info?.max_payload).toBe(maxPayloadBytes);
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
  await jetstream(connection).publish('kept', 'one');
  await connection.close();

  await server.stop();
  await server.start();
  expect(await messagesIn(server.url, 'KEPT')).toBe(1);

  const { pid } = server;
  await server.kill();
  expect(isAlive(pid)).toBe(false);
  await server.start();
  expect(await messagesIn(server.url, 'KEPT')).toBe(1);
});

test('it says whether acknowledged means synced', async () => {
  const { version, storeDir } = await nats.server();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const server = await startNats({
    storeDir: join(storeDir, '..', 'synced'),
    name: 'synced',
    port: await freePort(),
    syncAlways: true,
  });
  expect(server.syncAlways).toBe(major > 2 || minor >= 10);
  await server.stop();
});

test('a port in use is reported, and the server there is not taken for ours', async () => {
  const { storeDir, port } = await nats.server();
  const second = startNats({ storeDir: join(storeDir, '..', 'second'), name: 'second', port });
  await expect(second).rejects.toThrow(`port ${port} is in use`);
});
