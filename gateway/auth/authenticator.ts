import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  importJWK,
  jwtVerify,
} from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';

export interface AuthOptions {
  /** Where the issuer publishes its keys; a key id that is not there is looked for again, not too often. */
  readonly jwksUrl: string | null;
  /** How long after a fetch an unknown key id does not cause another. */
  readonly jwksCooldownMs?: number;
  /** Keys given here, instead of a url. */
  readonly jwks: JSONWebKeySet | null;
  /** A shared secret, for HS256 alone. */
  readonly secret: string | null;
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly algorithms: readonly string[];
  /** The claim that names the PostgreSQL role; a path with dots. */
  readonly roleClaim: string;
  /** Roles that a token may name. */
  readonly roles: readonly string[];
  /** The role of a token that names none; null refuses it. */
  readonly defaultRole: string | null;
  /** The role of whoever brings no token; null refuses them. */
  readonly anonymousRole: string | null;
}

export const ASYMMETRIC: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

/** Who asks: a PostgreSQL role, and what row-level security is told in `request.jwt.claims`. */
export interface Identity {
  readonly role: string | null;
  /** JSON; empty for nobody in particular. */
  readonly claims: string;
  /** The same for everybody whom row-level security cannot tell apart. */
  readonly key: string;
  /** Milliseconds since 1970; null for ever. */
  readonly expiresAtMs: number | null;
}

export type Authentication =
  | { readonly kind: 'identity'; readonly identity: Identity }
  | { readonly kind: 'refused'; readonly why: string };

const TOKEN_CHARS_MAX = 8192;
const CLOCK_TOLERANCE_S = 5;
const JWKS_TIMEOUT_MS = 3000;
const JWKS_COOLDOWN_MS = 5000;
// These differ from token to token of one person and say nothing about rights.
const PER_TOKEN_CLAIMS: ReadonlySet<string> = new Set(['exp', 'iat', 'nbf', 'jti']);

/** Proves JSON web tokens and says which role they stand for. Row-level security does the rest. */
export class Authenticator {
  readonly #options: AuthOptions;
  readonly #keys: JWTVerifyGetKey | null;
  readonly #algorithms: readonly string[];

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#keys = keysOf(options);
    // A shared secret never beside public keys: a public key must not be taken for the secret.
    this.#algorithms = options.secret === null ? options.algorithms : ['HS256'];
  }

  /** `authorization` is the header's value, or the same from `connection_init`. */
  async authenticate(authorization: string | undefined): Promise<Authentication> {
    if (authorization === undefined || authorization === '') return this.#anonymous();
    const [, token] = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(authorization) ?? [];
    if (token === undefined || token.length > TOKEN_CHARS_MAX) {
      return refused('the Authorization header must be "Bearer" and a JSON web token');
    }
    if (this.#keys === null) return refused('this gateway is not configured to accept tokens');
    try {
      const { issuer, audience } = this.#options;
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: [...this.#algorithms],
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp'],
        ...(issuer === null ? {} : { issuer }),
        ...(audience === null ? {} : { audience }),
      });
      return this.#identity(payload);
    } catch (error) {
      return refused(reasonOf(error, token));
    }
  }

  #anonymous(): Authentication {
    const { anonymousRole: role } = this.#options;
    if (role === null) return refused('a token is needed');
    return { kind: 'identity', identity: { role, claims: '', key: role, expiresAtMs: null } };
  }

  #identity(payload: JWTPayload): Authentication {
    const { roleClaim, roles, defaultRole } = this.#options;
    const named = claimAt(payload, roleClaim);
    const role = named ?? defaultRole;
    if (typeof role !== 'string') return refused(`the token names no role in "${roleClaim}"`);
    if (!roles.includes(role) && role !== defaultRole) {
      return refused(`the token names a role that this gateway does not hand out`);
    }
    const lasting = Object.entries(payload).filter(([name]) => !PER_TOKEN_CLAIMS.has(name));
    return {
      kind: 'identity',
      identity: {
        role,
        claims: JSON.stringify(payload),
        key: JSON.stringify([role, canonical(Object.fromEntries(lasting))]),
        expiresAtMs: payload.exp === undefined ? null : (payload.exp + CLOCK_TOLERANCE_S) * 1000,
      },
    };
  }
}

function keysOf({
  jwksUrl,
  jwks,
  secret,
  jwksCooldownMs = JWKS_COOLDOWN_MS,
}: AuthOptions): JWTVerifyGetKey | null {
  if (secret !== null) {
    const key = importJWK({ kty: 'oct', k: Buffer.from(secret).toString('base64url') }, 'HS256');
    return async () => key;
  }
  if (jwks !== null) return createLocalJWKSet(jwks);
  if (jwksUrl === null) return null;
  return createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: jwksCooldownMs,
  });
}

function claimAt(payload: JWTPayload, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    return (value as Readonly<Record<string, unknown>>)[name];
  }, payload);
}

/** The same text for the same claims, in whatever order they came. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return entries.map(([name, part]) => [name, canonical(part)]);
}

/** Says what is wrong with a token, never what a right one would hold. */
function reasonOf(error: unknown, token: string): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `the token's claim "${error.claim}" is not what this gateway accepts`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `the token's algorithm "${String(algorithmOf(token))}" is not accepted`;
  }
  if (error instanceof errors.JWKSTimeout) return 'the issuer of keys does not answer';
  return 'the token is not signed by a key that this gateway trusts';
}

function algorithmOf(token: string): unknown {
  try {
    return decodeProtectedHeader(token).alg;
  } catch {
    return undefined;
  }
}

function refused(why: string): Authentication {
  return { kind: 'refused', why };
}
