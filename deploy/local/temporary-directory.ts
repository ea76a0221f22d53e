import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { superviseDirectory } from './supervise.ts';

export interface TemporaryDirectory {
  readonly path: string;
  remove(): Promise<void>;
  /** Takes back that it does not outlive us. */
  keep(): void;
}

/** A directory under the system's temporary one; it does not outlive us even if it is forgotten. */
export async function temporaryDirectory(name: string): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), `everywrite-${name}-`));
  const keep = superviseDirectory(path);
  // mkdtemp makes it private to us; a PostgreSQL that runs as another account has to pass through.
  await chmod(path, 0o711);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true });
      keep();
    },
    keep,
  };
}
