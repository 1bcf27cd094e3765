// Microsoft Entra ID as a daemon meets it: client credentials with a certificate, and the managed identity of a machine.
import { createHash, randomBytes, randomUUID, verify, constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { audiences } from './credentials.mjs';
import { Refusal } from './answers.mjs';
import { fromPem, isValidAt } from './x509.mjs';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

// The access tokens that are out. Their text looks like a JWT, but only this table gives them meaning.
export class Tokens {
  #issued = new Map();

  constructor(state) {
    this.state = state;
  }

  issue(audience, lifetimeSeconds = this.state.settings.tokenLifetimeSeconds) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ typ: 'JWT', alg: 'RS256' })}.${part({ aud: audience, jti: randomUUID() })}.${randomBytes(64).toString('base64url')}`;
    this.#issued.set(token, { audience, expiresAt: this.state.now() + lifetimeSeconds * 1000 });
    return token;
  }

  find(token) {
    return this.#issued.get(token);
  }

  revokeAll() {
    this.#issued.clear();
  }
}

function tokenError(status, error, number, text) {
  const code = `AADSTS${number}`;
  return new Refusal({
    status,
    body: {
      error, error_description: `${code}: ${text}`, error_codes: [number], timestamp: new Date().toISOString(),
      trace_id: randomUUID(), correlation_id: randomUUID(), error_uri: `https://login.microsoftonline.com/error?code=${number}`,
    },
  }, `${code}: ${text}`);
}

export function entraRoutes(state, tokens, schemas, registration) {
  const registered = registration.certificateFile
    ? fromPem(readFileSync(registration.certificateFile, 'utf8')) : null;

  function token(exchange, [tenant]) {
    exchange.entry.credential = 'assertion';
    exchange.expectQuery([]);
    if (!(exchange.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
      throw tokenError(400, 'invalid_request', 900144, 'The request body must be application/x-www-form-urlencoded.');
    }
    const form = Object.fromEntries(new URLSearchParams(exchange.body.toString('utf8')));
    exchange.requestBody = form;
    schemas.check(exchange, 'entra.json#/$defs/ClientCredentials', form, (text) => tokenError(400, 'invalid_request', 900144, text));
    if (tenant.toLowerCase() !== registration.tenant?.toLowerCase()) {
      throw tokenError(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
    }
    if (form.grant_type !== 'client_credentials') {
      throw tokenError(400, 'unsupported_grant_type', 70003, `The app requested an unsupported grant type '${form.grant_type}'.`);
    }
    if (form.client_id !== registration.client || !registered) {
      throw tokenError(400, 'unauthorized_client', 700016, `Application with identifier '${form.client_id}' was not found in the directory.`);
    }
    if (form.client_assertion_type !== assertionType) {
      throw tokenError(400, 'invalid_request', 50027, 'JWT token is invalid or malformed: unknown client_assertion_type.');
    }
    judgeAssertion(exchange, form.client_assertion, tenant);
    const audience = audienceOfScope(form.scope);
    if (!audience) throw tokenError(400, 'invalid_scope', 70011, `The provided value for the input parameter 'scope' is not valid: ${form.scope}`);
    const lifetime = state.settings.tokenLifetimeSeconds;
    return { status: 200, body: { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: tokens.issue(audience) } };
  }

  function judgeAssertion(exchange, assertion, tenant) {
    const invalid = (number, text) => tokenError(401, 'invalid_client', number, text);
    const parts = assertion.split('.');
    let header;
    let claims;
    try {
      [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    } catch {
      throw invalid(50027, 'JWT token is invalid or malformed.');
    }
    if (parts.length !== 3 || !['RS256', 'PS256'].includes(header.alg)) throw invalid(50027, `JWT token is invalid or malformed: alg ${header.alg}.`);
    const thumbprint = createHash('sha256').update(registered.raw).digest('base64url');
    if (header['x5t#S256'] !== thumbprint) {
      throw invalid(700027, 'The certificate with identifier used to sign the client assertion is not registered on application.');
    }
    const key = header.alg === 'PS256'
      ? { key: registered.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : registered.publicKey;
    if (!verify('sha256', Buffer.from(`${parts[0]}.${parts[1]}`), key, Buffer.from(parts[2], 'base64url'))) {
      throw invalid(700027, 'Client assertion failed signature validation.');
    }
    if (!isValidAt(registered, state.now())) throw invalid(700027, 'The key used to sign the client assertion is expired.');
    if (claims.iss !== registration.client || claims.sub !== registration.client) {
      throw invalid(700021, "Client assertion application identifier doesn't match 'client_id' parameter.");
    }
    if (!isAudience(claims.aud, tenant, exchange.headers.host)) throw invalid(700023, `Client assertion audience claim does not match: ${claims.aud}`);
    const now = state.now() / 1000;
    if (!(claims.nbf <= now && now < claims.exp)) {
      throw invalid(700024, `Client assertion is not within its valid time range. Current time: ${state.timestamp()}`);
    }
    if (typeof claims.jti !== 'string' || !claims.jti) throw invalid(50027, 'JWT token is invalid or malformed: no jti.');
  }

  return [{ method: 'POST', pattern: /^\/([^/]+)\/oauth2\/v2\.0\/token$/i, handle: token }];
}

// The token endpoint itself or the tenant's v2.0 issuer, at Entra's own host or at the address that was dialled.
function isAudience(audience, tenant, dialled) {
  return ['login.microsoftonline.com', dialled].some((host) =>
    [`https://${host}/${tenant}/oauth2/v2.0/token`, `https://${host}/${tenant}/v2.0`].includes(audience));
}

function audienceOfScope(scope) {
  if (!scope.endsWith('/.default')) return null;
  const audience = scope.slice(0, -'/.default'.length);
  return Object.values(audiences).flat().includes(audience) ? audience : null;
}

// The instance metadata service: plain HTTP on its own listener, as on a machine in Azure.
export function managedIdentityRoutes(state, tokens) {
  const refuse = (text) => new Refusal({ status: 400, body: { error: 'invalid_request', error_description: text } }, text);

  function token(exchange) {
    exchange.entry.credential = 'managed identity';
    exchange.expectQuery(['api-version', 'resource', 'client_id', 'object_id', 'msi_res_id']);
    if (exchange.headers.metadata !== 'true') throw refuse('Required metadata header not specified');
    if (exchange.headers['x-forwarded-for']) throw refuse('X-Forwarded-For is not allowed');
    if (exchange.query.get('api-version') !== '2018-02-01') throw refuse('Bad api-version');
    const resource = exchange.query.get('resource');
    if (!Object.values(audiences).flat().includes(resource)) throw refuse(`The resource ${resource} was not found`);
    const seconds = Math.floor(state.now() / 1000);
    const lifetime = state.settings.tokenLifetimeSeconds;
    return {
      status: 200,
      body: {
        access_token: tokens.issue(resource), client_id: randomUUID(), expires_in: String(lifetime), expires_on: String(seconds + lifetime),
        ext_expires_in: String(lifetime), not_before: String(seconds), resource, token_type: 'Bearer',
      },
    };
  }

  return [{ method: 'GET', pattern: /^\/metadata\/identity\/oauth2\/token$/, handle: token }];
}
