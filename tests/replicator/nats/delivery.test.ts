import { expect, test } from 'vitest';
import { parseDelivery } from '#replicator/nats/delivery.ts';

const delivery = { streamSequence: 41, consumerSequence: 7, storedAt: '1795459116765115513' };

test('both forms of reply subject are read', () => {
  expect(parseDelivery('$JS.ACK.S.eu-1.1.41.7.1795459116765115513.206599')).toEqual(delivery);
  const domain = '$JS.ACK.hub.ACCOUNT.S.eu-1.1.41.7.1795459116765115513.206599';
  expect(parseDelivery(domain)).toEqual(delivery);
  expect(parseDelivery(`${domain}.random`)).toEqual(delivery);
});

test('anything else is not a delivery', () => {
  for (const reply of ['', '_INBOX.eu.1', '$JS.ACK.S.c', '$JS.ACK.S.c.1.x.7.1.0', '$JS.FC.S.c.1']) {
    expect(parseDelivery(reply)).toBeNull();
  }
});
