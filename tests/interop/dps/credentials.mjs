// Who may call: shared access signatures of DPS and IoT Hub, and Entra's bearer tokens.
import { createHmac, timingSafeEqual } from 'node:crypto';

export const audiences = {
  arm: ['https://management.azure.com', 'https://management.azure.com/', 'https://management.core.windows.net/'],
  dps: ['https://azure-devices-provisioning.net', 'https://azure-devices-provisioning.net/'],
  hub: ['https://iothubs.azure.net', 'https://iothubs.azure.net/'],
};

// What is wrong with the request's Authorization, or null. `resource` is the lower-case host that sr must name.
export function judgeAuthorization(exchange, state, tokens, { accept, resource }) {
  const authorization = exchange.headers.authorization;
  if (!authorization) return 'no Authorization header';
  if (authorization.startsWith('Bearer ')) {
    return judgeBearer(authorization.slice('Bearer '.length), exchange, state, tokens, audiences[accept]);
  }
  if (authorization.startsWith('SharedAccessSignature ') && accept !== 'arm') {
    if (accept === 'dps' && state.settings.disableLocalAuth) {
      exchange.entry.credential = 'sas';
      return 'local authentication is disabled: only Microsoft Entra ID tokens are accepted';
    }
    return judgeSas(authorization.slice('SharedAccessSignature '.length), exchange, state, state.sasKeys[accept], resource);
  }
  return 'unsupported authorization scheme';
}

function judgeBearer(token, exchange, state, tokens, allowed) {
  exchange.entry.credential = 'bearer';
  const issued = tokens.find(token);
  if (!issued) return 'the bearer token was not issued here, or is revoked';
  exchange.entry.credentialDetail = issued.audience;
  if (!allowed.includes(issued.audience)) return `the bearer token's audience is ${issued.audience}`;
  if (state.now() >= issued.expiresAt) return 'the bearer token has expired';
  return null;
}

// SharedAccessSignature sr={host, URL-encoded}&sig={}&se={unix seconds}&skn={policy}; the string to sign is sr "\n" se.
function judgeSas(text, exchange, state, policies, resource) {
  exchange.entry.credential = 'sas';
  const fields = {};
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at);
    if (!['sr', 'sig', 'se', 'skn'].includes(name)) return `the signature has an unknown field ${name}`;
    if (name in fields) return `the signature has two fields ${name}`;
    fields[name] = pair.slice(at + 1);
  }
  for (const name of ['sr', 'sig', 'se', 'skn']) if (!fields[name]) return `the signature lacks ${name}`;
  exchange.entry.credentialDetail = fields.skn;
  if (decodeURIComponent(fields.sr) !== resource) return `the signature is for ${decodeURIComponent(fields.sr)}, not for ${resource}`;
  if (!/^\d+$/.test(fields.se)) return 'se is not a number of seconds';
  if (Number(fields.se) * 1000 <= state.now()) return 'the signature has expired';
  const keys = policies[decodeURIComponent(fields.skn)];
  if (!keys) return `there is no policy ${fields.skn}`;
  const given = Buffer.from(decodeURIComponent(fields.sig), 'base64');
  const matches = keys.some((key) => {
    const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(`${fields.sr}\n${fields.se}`).digest();
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return matches ? null : 'the signature does not match';
}
