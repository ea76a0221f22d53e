import { createHash } from 'node:crypto';
import { GatewayError } from '#gateway/errors.ts';
import { Lru } from '#gateway/execution/lru.ts';
import type { GraphQLRequest } from '#gateway/execution/request.ts';
import { isMap } from '#gateway/http/read-request.ts';

export type DocumentPolicy =
  /** Any document; clients may register theirs by hash (Apollo's automatic persisted queries). */
  | { readonly kind: 'any'; readonly maxRegistered: number }
  /** Only these, by the SHA-256 of their text in hexadecimal. */
  | { readonly kind: 'trusted'; readonly documents: ReadonlyMap<string, string> };

/** Finds the document that a request names by a hash; keeps strangers out where only known ones may run. */
export class StoredDocuments {
  readonly #policy: DocumentPolicy;
  readonly #registered: Lru<string>;

  constructor(policy: DocumentPolicy) {
    this.#policy = policy;
    this.#registered = new Lru(policy.kind === 'any' ? policy.maxRegistered : 0);
  }

  /** The request with its document in it. */
  resolve(request: GraphQLRequest): GraphQLRequest {
    const hash = hashOf(request);
    const { query } = request;
    if (this.#policy.kind === 'trusted') {
      const known = this.#policy.documents.get(hash ?? sha256(query ?? ''));
      if (known === undefined) throw notAllowed();
      return { ...request, query: known };
    }
    if (hash === null) return request;
    if (query !== undefined) {
      if (sha256(query) !== hash) throw mismatch();
      this.#registered.set(hash, query);
      return request;
    }
    const known = this.#registered.get(hash);
    if (known === undefined) throw notFound();
    return { ...request, query: known };
  }
}

/** `documentId: "sha256:…"`, or Apollo's `extensions.persistedQuery.sha256Hash`. */
function hashOf({ documentId, extensions }: GraphQLRequest): string | null {
  if (documentId !== undefined) return documentId.replace(/^sha256:/, '').toLowerCase();
  const persisted = extensions?.['persistedQuery'];
  if (!isMap(persisted)) return null;
  const hash = persisted['sha256Hash'];
  return typeof hash === 'string' ? hash.toLowerCase() : null;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

// The message is the one that Apollo's clients wait for.
function notFound(): GatewayError {
  return new GatewayError({
    code: 'PERSISTED_QUERY_NOT_FOUND',
    message: 'PersistedQueryNotFound',
    retryable: true,
  });
}

function mismatch(): GatewayError {
  const message = 'The hash is not that of the document.';
  return new GatewayError({ code: 'BAD_REQUEST', message });
}

function notAllowed(): GatewayError {
  return new GatewayError({
    code: 'OPERATION_NOT_ALLOWED',
    message: 'Only documents that the operator has listed are answered here.',
    status: 403,
  });
}
