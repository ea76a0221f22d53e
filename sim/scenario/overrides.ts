import { didYouMean } from '#replicator/config/nearest-name.ts';
import { readDocument } from '#replicator/config/document.ts';
import { EverywriteError } from '#core/errors.ts';

/** `path=value` of the command line, put into the document before it is read: `faults[0].for=5s`. */
export function withOverrides(document: unknown, settings: readonly string[]): unknown {
  return settings.reduce((changed, setting) => {
    const at = setting.indexOf('=');
    if (at <= 0) throw usage(`--set is path=value, such as heal.at=60s, not "${setting}".`);
    const path = setting
      .slice(0, at)
      .replaceAll(/\[(\d+)\]/g, '.$1')
      .split('.');
    return replaced(changed, path, valueOf(setting.slice(at + 1)), setting);
  }, document);
}

function valueOf(text: string): unknown {
  const read = readDocument(text);
  return read.kind === 'ok' ? read.value : text;
}

function replaced(
  node: unknown,
  [key = '', ...rest]: readonly string[],
  value: unknown,
  setting: string,
): unknown {
  if (Array.isArray(node)) {
    const at = Number(key);
    if (!Number.isInteger(at) || at < 0 || at > node.length)
      throw usage(`--set ${setting}: the list has entries 0 to ${node.length - 1}, not "${key}".`);
    const inner = rest.length === 0 ? value : replaced(node[at], rest, value, setting);
    return [...node.slice(0, at), inner, ...node.slice(at + 1)];
  }
  const group = typeof node === 'object' && node !== null ? node : {};
  const known = Object.entries(group);
  const inner = known.find(([name]) => name === key)?.[1] as unknown;
  if (rest.length > 0 && typeof inner !== 'object' && inner !== undefined) {
    const names = known.map(([name]) => name);
    throw usage(`--set ${setting}: ${key} has no keys.${didYouMean(key, names)}`);
  }
  return { ...group, [key]: rest.length === 0 ? value : replaced(inner, rest, value, setting) };
}

function usage(message: string): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message });
}
