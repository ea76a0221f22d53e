import { expect, test } from 'vitest';
import { serverOf, withoutSecrets } from '#replicator/config/secrets.ts';

test('passwords and tokens disappear, what finds the server stays', () => {
  expect(withoutSecrets('at postgres://app:hunter2@h:5432/d failed')).toBe(
    'at postgres://app:***@h:5432/d failed',
  );
  expect(withoutSecrets('postgres://h/d?user=app&password=hunter2&x=1')).toBe(
    'postgres://h/d?user=app&password=***&x=1',
  );
  expect(withoutSecrets('nats://s3cr3t@h:4222')).toBe('nats://***@h:4222');
  expect(withoutSecrets('nats://u:p@h:4222')).toBe('nats://u:***@h:4222');
  expect(withoutSecrets('nothing to hide: a@b')).toBe('nothing to hide: a@b');
});

test('a server is named by host, port and database only', () => {
  expect(serverOf('postgres://app:hunter2@h:5432/d?sslmode=require')).toBe('h:5432/d');
  expect(serverOf('nats://h:4222')).toBe('h:4222');
  expect(serverOf('nats://u:p@h:4222, nats://i:4222')).toBe('h:4222, i:4222');
  expect(serverOf('hunter2')).toBe('(unreadable url)');
});
