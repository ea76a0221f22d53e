const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const HIGH = 0x1_0000_0000;

/** 48 bits of two FNV-1a runs: for comparing states, not against anybody who wants them to collide. */
export function quickHash(text: string): number {
  let low = FNV_OFFSET;
  let high = FNV_OFFSET ^ 0x5bd1e995;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, FNV_PRIME);
    high = Math.imul(high ^ ((unit << 3) | 5), FNV_PRIME);
  }
  return ((high >>> 16) & 0xffff) * HIGH + (low >>> 0);
}
