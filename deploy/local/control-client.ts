import { EverywriteError } from '#core/errors.ts';
import type { ControlAddress, ControlAnswer } from './control-server.ts';
import type { LinkOrder, LinkView } from './link-order.ts';

const ANSWER_MS = 5_000;

/** Has a running cluster follow an order, or only look; returns its links afterwards. */
export async function askForLinks(
  control: ControlAddress,
  order?: LinkOrder,
): Promise<readonly LinkView[]> {
  const answer = await ask(control, order);
  if (answer.kind === 'links') return answer.links;
  throw new EverywriteError({ code: 'USAGE', recovery: 'operator', message: answer.message });
}

async function ask(control: ControlAddress, order: LinkOrder | undefined): Promise<ControlAnswer> {
  try {
    const response = await fetch(`${control.url}/links`, {
      headers: { authorization: `Bearer ${control.token}` },
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(order === undefined ? {} : { method: 'POST', body: JSON.stringify(order) }),
    });
    return (await response.json()) as ControlAnswer;
  } catch (cause) {
    throw new EverywriteError({
      code: 'PEER_UNREACHABLE',
      recovery: 'retry',
      message: `The cluster at ${control.url} does not answer (${String(cause)}); is "everywrite up" still running?`,
      cause,
    });
  }
}
