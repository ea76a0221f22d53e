/**
 * The least causal token that covers both: per replica the greater sequence and the greater place in the
 * WAL. The form is specified in gateway/SUBSCRIPTIONS.md.
 */
export function joinTokenTexts(left: string | null, right: string | null): string | null {
  if (left === null || left === right) return right;
  if (right === null) return left;
  const parts = new Map<string, { sequence: bigint; lsn: bigint }>();
  for (const text of [left, right]) {
    const [version, ...given] = text.split('~');
    // A newer gateway's token is kept as it is rather than garbled.
    if (version !== '1') return right;
    for (const part of given) {
      const match = /^([^:@]+)(?::(\d+))?(?:@([0-9a-f]+))?$/.exec(part);
      if (match === null) return right;
      const [, replica = '', sequence = '0', lsn = '0'] = match;
      const known = parts.get(replica) ?? { sequence: 0n, lsn: 0n };
      parts.set(replica, {
        sequence: greater(known.sequence, BigInt(sequence)),
        lsn: greater(known.lsn, BigInt(`0x${lsn}`)),
      });
    }
  }
  const texts = [...parts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([replica, at]) => {
      const sequence = at.sequence === 0n ? '' : `:${at.sequence}`;
      return `${replica}${sequence}${at.lsn === 0n ? '' : `@${at.lsn.toString(16)}`}`;
    });
  return ['1', ...texts].join('~');
}

function greater(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
