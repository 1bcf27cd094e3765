// Azure Resource Manager: the CA certificates of a DPS instance, and the proof that one holds their keys.
import { randomUUID } from 'node:crypto';
import { armError, certificateError } from './answers.mjs';
import { judgeAuthorization } from './credentials.mjs';
import { judgeProof } from './proof.mjs';
import { newEtag, newVerificationCode } from './state.mjs';
import { commonName, fromBase64, isValidAt, sha1Thumbprint } from './x509.mjs';

// The certificate moved from the top level of the PUT body into `properties` between these two.
const flatVersions = ['2017-11-15', '2018-01-22', '2020-01-01', '2020-03-01', '2021-10-15'];
const nestedVersions = ['2022-02-05', '2022-12-12', '2025-02-01-preview', '2026-03-01-preview', '2026-06-01-preview', '2026-08-31'];

const optionalQuery = ['name', 'rawBytes', 'isVerified', 'purpose', 'created', 'lastUpdated', 'hasPrivateKey', 'nonce']
  .map((name) => `certificate.${name}`);

const noDate = 'Mon, 01 Jan 0001 00:00:00 GMT';

export function armRoutes(state, tokens, schemas) {
  const base = /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Devices\/provisioningServices\/([^/]+)\/certificates/i.source;
  const route = (method, rest, handle, query = []) => ({
    method,
    pattern: new RegExp(`${base}${rest}$`, 'i'),
    handle(exchange, [subscription, group, service, name]) {
      admit(exchange, service, ['api-version', ...query]);
      return handle(exchange, { subscription, group, service, name });
    },
  });

  function admit(exchange, service, query) {
    const complaint = judgeAuthorization(exchange, state, tokens, { accept: 'arm' });
    if (complaint) {
      const code = /audience/.test(complaint) ? 'InvalidAuthenticationTokenAudience'
        : /expired/.test(complaint) ? 'ExpiredAuthenticationToken'
          : /no Authorization/.test(complaint) ? 'AuthenticationFailed' : 'InvalidAuthenticationToken';
      throw armError(401, code, `Authentication failed: ${complaint}.`, { 'www-authenticate': 'Bearer authorization_uri="https://login.microsoftonline.com/"' });
    }
    const version = exchange.query.get('api-version');
    if (!version) {
      exchange.violation('api-version is missing');
      throw armError(400, 'MissingApiVersionParameter', 'The api-version query parameter (?api-version=) is required for all requests.');
    }
    if (![...flatVersions, ...nestedVersions].includes(version)) {
      exchange.violation(`unknown api-version ${version}`);
      throw armError(400, 'NoRegisteredProviderFound', `No registered resource provider found for API version '${version}' for type 'provisioningServices/certificates'.`);
    }
    exchange.expectQuery(query, (text) => armError(400, 'InvalidRequestUri', text));
    if (service.toLowerCase() !== state.service.toLowerCase()) {
      throw armError(404, 'ResourceNotFound', `The Resource 'Microsoft.Devices/provisioningServices/${service}' was not found.`);
    }
  }

  function find(name) {
    const certificate = state.certificates.get(name.toLowerCase());
    if (!certificate) throw certificateError(404, '404001', `Certificate '${name}' was not found.`);
    return certificate;
  }

  function requireMatch(exchange, certificate) {
    const given = exchange.headers['if-match'];
    if (given === undefined) {
      throw certificateError(state.settings.missingIfMatch, `${state.settings.missingIfMatch}001`, 'The If-Match header is required.');
    }
    if (given !== '*' && given !== certificate.etag) {
      throw certificateError(412, '412001', `Precondition failed: the etag of certificate '${certificate.name}' does not match.`);
    }
  }

  // `certificate` is null in every answer but that of generateVerificationCode.
  function shown(certificate, { subscription, group, service }, more = {}) {
    return {
      id: `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Devices/provisioningServices/${service}/certificates/${certificate.name}`,
      name: certificate.name,
      type: 'Microsoft.Devices/ProvisioningServices/Certificates',
      etag: certificate.etag,
      properties: {
        subject: commonName(certificate.x509) ?? '',
        expiry: new Date(certificate.x509.validTo).toUTCString(),
        thumbprint: sha1Thumbprint(certificate.x509),
        isVerified: certificate.isVerified,
        created: noDate,
        updated: new Date(certificate.updatedMs).toUTCString(),
        certificate: null,
        ...more,
      },
    };
  }

  const ok = (body, counter = 'writes') => ({
    status: 200,
    headers: {
      'x-ms-request-id': randomUUID(),
      ...(counter && { [`x-ms-ratelimit-remaining-subscription-${counter}`]: counter === 'writes' ? '1199' : '14999' }),
    },
    body,
  });

  function list(exchange, place) {
    return ok({ value: [...state.certificates.values()].map((certificate) => shown(certificate, place)) }, null);
  }

  function get(exchange, place) {
    return ok(shown(find(place.name), place), null);
  }

  function readCertificate(exchange, base64) {
    const refuse = (text) => certificateError(400, '400001', `The certificate is not valid: ${text}.`);
    let x509;
    try {
      x509 = fromBase64(base64);
    } catch (error) {
      throw refuse(error.message);
    }
    if (!x509.ca) throw refuse('it is not a CA certificate (basicConstraints)');
    if (!isValidAt(x509, state.now())) throw refuse('it is not within its validity period');
    return x509;
  }

  function put(exchange, place) {
    const refuse = (text) => certificateError(400, '400001', `The request body is not valid: ${text}`);
    const body = exchange.json(refuse);
    const nested = nestedVersions.includes(exchange.query.get('api-version'));
    schemas.check(exchange, nested ? 'arm.json#/$defs/CertificateResponse' : 'arm.json#/$defs/CertificateBody', body, refuse);
    if (!/^[A-Za-z0-9\-._]{1,256}$/.test(place.name)) throw refuse(`the name '${place.name}' is not allowed`);
    const { certificate: base64, isVerified = false } = nested ? body.properties : body;
    const x509 = readCertificate(exchange, base64);

    const existing = state.certificates.get(place.name.toLowerCase());
    if (existing) {
      const settled = state.settings.putExistingCertificateWithoutIfMatch;
      if (exchange.headers['if-match'] !== undefined) requireMatch(exchange, existing);
      else if (settled !== 200) {
        throw certificateError(settled, `${settled}001`, `Certificate '${existing.name}' already exists: If-Match is required to update it.`);
      }
    } else if (state.certificates.size >= state.settings.certificateLimit) {
      throw certificateError(400, '400002', `The provisioning service '${state.service}' already has ${state.certificates.size} CA certificates: the limit is ${state.settings.certificateLimit}.`);
    }
    const same = existing?.x509.fingerprint256 === x509.fingerprint256;
    const certificate = {
      name: existing?.name ?? place.name, x509, base64,
      isVerified: isVerified || (same && existing.isVerified),
      verificationCode: null, etag: newEtag(), updatedMs: state.now(),
    };
    state.certificates.set(place.name.toLowerCase(), certificate);
    return ok(shown(certificate, place));
  }

  function generateVerificationCode(exchange, place) {
    const certificate = find(place.name);
    requireMatch(exchange, certificate);
    if (exchange.body.length > 0) exchange.violation('generateVerificationCode has no body');
    giveVerificationCode(certificate, state);
    return ok(shown(certificate, place, { verificationCode: certificate.verificationCode.text, certificate: certificate.base64 }));
  }

  function verify(exchange, place) {
    const refuse = (text) => certificateError(400, '400001', `The request body is not valid: ${text}`);
    const certificate = find(place.name);
    requireMatch(exchange, certificate);
    const body = exchange.json(refuse);
    schemas.check(exchange, 'arm.json#/$defs/VerificationCodeRequest', body, refuse);
    const complaint = judgeProof(certificate, body.certificate, state);
    if (!complaint || state.settings.failedProofConsumesCode) certificate.verificationCode = null;
    if (complaint) {
      throw certificateError(400, '400053', `Proof-Of-Possession failed. ${complaint} If you contact a support representative please `
        + `include this correlation identifier: ${randomUUID()}, timestamp: ${state.timestamp()}, errorcode: IH400053.`);
    }
    certificate.isVerified = true;
    certificate.etag = newEtag();
    certificate.updatedMs = state.now();
    return ok(shown(certificate, place));
  }

  function remove(exchange, place) {
    const certificate = state.certificates.get(place.name.toLowerCase());
    if (!certificate) return { status: 204 };
    requireMatch(exchange, certificate);
    const holder = [...state.enrollmentGroups.values()].find(({ record }) =>
      Object.values(record.attestation.x509?.caReferences ?? {}).some((name) => name.toLowerCase() === certificate.name.toLowerCase()));
    if (holder && !state.settings.deleteReferencedCertificate) {
      throw certificateError(409, '409001', `Certificate '${certificate.name}' is referenced by enrollment group '${holder.record.enrollmentGroupId}'.`);
    }
    state.certificates.delete(place.name.toLowerCase());
    return { ...ok(undefined, 'deletes'), status: state.settings.deleteCertificateStatus };
  }

  return [
    route('GET', '', list),
    route('GET', '/([^/]+)', get, optionalQuery),
    route('PUT', '/([^/]+)', put),
    route('DELETE', '/([^/]+)', remove, optionalQuery),
    route('POST', '/([^/]+)/generateVerificationCode', generateVerificationCode, optionalQuery),
    route('POST', '/([^/]+)/verify', verify, optionalQuery),
  ];
}

// A new code takes the place of the last one and changes the etag, whoever asked for it.
export function giveVerificationCode(certificate, state) {
  certificate.verificationCode = { text: newVerificationCode(), createdMs: state.now() };
  certificate.etag = newEtag();
  certificate.updatedMs = state.now();
}
