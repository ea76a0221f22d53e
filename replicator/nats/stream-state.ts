import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { JetStreamManager, StreamConfig, StreamInfo, StreamState } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { LogBounds } from '#replicator/engine/log-port.ts';
import { isStreamMissing } from './log-errors.ts';

/** The least that nats-server takes. Nothing rests on it: frames carry no message id. */
const DUPLICATE_WINDOW_MS = 100;

export interface StreamSettings {
  readonly name: string;
  readonly subject: string;
  readonly replicas: number;
  readonly bytesMax: number;
  readonly messageBytesMax: number;
}

type WantedConfig = Pick<StreamConfig, 'name' | 'subjects' | 'max_bytes' | 'max_msg_size'> &
  Pick<StreamConfig, 'num_replicas' | 'duplicate_window' | 'allow_direct' | 'discard'>;

/** Creates the stream, or brings an older one to these settings. */
export async function ensureStream(
  manager: JetStreamManager,
  settings: StreamSettings,
): Promise<StreamInfo> {
  const wanted = wantedConfig(settings);
  const existing = await streamInfo(manager, settings.name);
  if (existing === null) {
    return manager.streams.add({
      ...wanted,
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: 0,
      max_msgs: -1,
      max_consumers: -1,
    });
  }
  if (isAsWanted(existing.config, wanted)) return existing;
  return manager.streams.update(settings.name, wanted);
}

export async function streamInfo(
  manager: JetStreamManager,
  name: string,
): Promise<StreamInfo | null> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isStreamMissing(error)) return null;
    throw error;
  }
}

/** The server counts 0 to 0 in a new stream, and n + 1 to n in one that was trimmed to its end. */
export function boundsOf(state: StreamState): LogBounds {
  const first = state.messages === 0 ? state.last_seq + 1 : state.first_seq;
  return { first, last: state.last_seq, bytes: state.bytes };
}

function wantedConfig(settings: StreamSettings): WantedConfig {
  return {
    name: settings.name,
    subjects: [settings.subject],
    max_bytes: settings.bytesMax,
    max_msg_size: settings.messageBytesMax,
    num_replicas: settings.replicas,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    allow_direct: true,
    // A full log refuses: the default would forget its oldest entries in silence.
    discard: DiscardPolicy.New,
  };
}

function isAsWanted(config: StreamConfig, wanted: WantedConfig): boolean {
  return (
    config.max_bytes === wanted.max_bytes &&
    config.max_msg_size === wanted.max_msg_size &&
    config.num_replicas === wanted.num_replicas &&
    config.discard === wanted.discard
  );
}
