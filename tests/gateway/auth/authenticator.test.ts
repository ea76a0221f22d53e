import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { JWK, CryptoKey } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { ASYMMETRIC, Authenticator } from '#gateway/auth/authenticator.ts';
import type { AuthOptions } from '#gateway/auth/authenticator.ts';

const OPTIONS: AuthOptions = {
  jwksUrl: null,
  jwks: null,
  secret: null,
  issuer: 'https://issuer.example',
  audience: 'shop',
  algorithms: ASYMMETRIC,
  roleClaim: 'role',
  roles: ['customer', 'clerk'],
  defaultRole: null,
  anonymousRole: 'visitor',
};

interface Key {
  readonly id: string;
  readonly secret: CryptoKey;
  readonly jwk: JWK;
}

async function key(id: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return {
    id,
    secret: privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid: id, alg: 'ES256' },
  };
}

function token(
  by: Key,
  claims: Record<string, unknown> = {},
  lifetime = '1m',
  audience = 'shop',
): Promise<string> {
  return new SignJWT({ role: 'customer', sub: 'ann', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: by.id })
    .setIssuer('https://issuer.example')
    .setAudience(audience)
    .setIssuedAt()
    .setJti(String(Math.random()))
    .setExpirationTime(lifetime)
    .sign(by.secret);
}

const one = await key('one');
const local = new Authenticator({ ...OPTIONS, jwks: { keys: [one.jwk] } });
const servers = new Set<ReturnType<typeof createServer>>();

afterEach(() => {
  for (const server of servers) server.close();
  servers.clear();
});

test('a token stands for its role and its claims, until it expires', async () => {
  const proved = await local.authenticate(`Bearer ${await token(one)}`);
  if (proved.kind === 'refused') throw new Error(proved.why);
  const { role, claims, expiresAtMs } = proved.identity;
  expect(role).toBe('customer');
  expect(JSON.parse(claims)).toMatchObject({ sub: 'ann', role: 'customer' });
  expect((expiresAtMs ?? 0) - Date.now()).toBeGreaterThan(55_000);
});

test('whom row-level security cannot tell apart shares a key', async () => {
  const keyOf = async (claims: Record<string, unknown>): Promise<string> => {
    const proved = await local.authenticate(`Bearer ${await token(one, claims)}`);
    return proved.kind === 'identity' ? proved.identity.key : proved.why;
  };
  expect(await keyOf({ a: 1, b: 2 })).toBe(await keyOf({ b: 2, a: 1 }));
  expect(await keyOf({ sub: 'bob' })).not.toBe(await keyOf({}));
});

test('without a token one is the anonymous role, if there is one', async () => {
  expect(await local.authenticate(undefined)).toMatchObject({ identity: { role: 'visitor' } });
  const closed = new Authenticator({ ...OPTIONS, anonymousRole: null });
  expect(await closed.authenticate(undefined)).toEqual({
    kind: 'refused',
    why: 'a token is needed',
  });
});

test.each([
  ['a role that is not handed out', { role: 'postgres' }, '1m', 'does not hand out'],
  ['no role', { role: undefined }, '1m', 'names no role in "role"'],
  ['a role that is no text', { role: { a: 1 } }, '1m', 'names no role'],
  ['an expired one', {}, '-1m', 'the token has expired'],
  ['one that is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 600 }, '1m', '"nbf"'],
])('%s is refused', async (_, claims, lifetime, why) => {
  const text = await token(one, claims, lifetime);
  const proved = await local.authenticate(`Bearer ${text}`);
  expect(proved.kind === 'refused' ? proved.why : 'accepted').toMatch(new RegExp(why));
});

test('a token for somebody else is refused', async () => {
  const proved = await local.authenticate(`Bearer ${await token(one, {}, '1m', 'other')}`);
  expect(proved).toMatchObject({
    kind: 'refused',
    why: expect.stringContaining('"aud"') as string,
  });
});

test('unsigned, wrongly signed and mangled tokens are refused', async () => {
  const [head, body, signature] = (await token(one)).split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  const hmac = await new SignJWT({ role: 'clerk' })
    .setProtectedHeader({ alg: 'HS256', kid: 'one' })
    .setExpirationTime('1m')
    .sign(Buffer.from(JSON.stringify(one.jwk)));
  const other = await token({ ...(await key('two')), id: 'one' });
  const texts = [
    `${none}.${body}.`,
    `${head}.${body}.${signature?.slice(0, -4)}AAAA`,
    hmac,
    other,
    `${head}.${body}`,
    'x'.repeat(9000),
  ];
  for (const text of texts) {
    expect((await local.authenticate(`Bearer ${text}`)).kind).toBe('refused');
  }
  expect((await local.authenticate('Basic YTpi')).kind).toBe('refused');
});

test('a shared secret is for HS256 alone', async () => {
  const secret = 'a secret of at least thirty-two characters';
  const shared = new Authenticator({ ...OPTIONS, issuer: null, audience: null, secret });
  const text = await new SignJWT({ role: 'clerk' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1m')
    .sign(Buffer.from(secret));
  expect(await shared.authenticate(`Bearer ${text}`)).toMatchObject({
    identity: { role: 'clerk' },
  });
  expect((await shared.authenticate(`Bearer ${await token(one)}`)).kind).toBe('refused');
});

test('keys are fetched, and a new key is found when a token names it', async () => {
  const published: JWK[] = [one.jwk];
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end(JSON.stringify({ keys: published }));
  });
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const jwksUrl = `http://127.0.0.1:${port}/jwks`;
  const remote = new Authenticator({ ...OPTIONS, jwksUrl, jwksCooldownMs: 0 });
  expect((await remote.authenticate(`Bearer ${await token(one)}`)).kind).toBe('identity');
  expect((await remote.authenticate(`Bearer ${await token(one)}`)).kind).toBe('identity');
  expect(asked).toBe(1);
  const two = await key('two');
  expect((await remote.authenticate(`Bearer ${await token(two)}`)).kind).toBe('refused');
  published.push(two.jwk);
  expect((await remote.authenticate(`Bearer ${await token(two)}`)).kind).toBe('identity');
});
