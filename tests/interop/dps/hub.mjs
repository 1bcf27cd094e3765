// The identity registries of the linked IoT hubs: where a device lives once DPS has assigned it.
import { randomBytes } from 'node:crypto';
import { gatewayError } from './answers.mjs';
import { judgeAuthorization } from './credentials.mjs';
import { newEtag } from './state.mjs';
import { sha1Thumbprint } from './x509.mjs';

const versions = ['2021-04-12'];
const suffix = '.azure-devices.net';

function hostOf(name) {
  const host = name.toLowerCase();
  return host.includes('.') ? host : `${host}${suffix}`;
}

const keyOf = (host, deviceId) => `${hostOf(host)}/${deviceId}`;

// The identity of a device that DPS assigns. One that is there already stays as it is: above all, disabled.
export function assignIdentity(state, host, deviceId, pinned) {
  const key = keyOf(host, deviceId);
  if (state.hubDevices.has(key)) return;
  const authentication = pinned
    ? { type: 'selfSigned', symmetricKey: null, x509Thumbprint: { primaryThumbprint: sha1Thumbprint(pinned), secondaryThumbprint: null } }
    : { type: 'certificateAuthority', symmetricKey: null, x509Thumbprint: null };
  state.hubDevices.set(key, newDevice(state, { deviceId, authentication }));
}

export function newDevice(state, given, existing) {
  const now = state.timestamp();
  return {
    generationId: existing?.generationId ?? randomBytes(9).toString('hex'),
    connectionState: 'Disconnected',
    connectionStateUpdatedTime: '0001-01-01T00:00:00Z',
    lastActivityTime: '0001-01-01T00:00:00Z',
    cloudToDeviceMessageCount: 0,
    capabilities: { iotEdge: false },
    authentication: { type: 'sas', symmetricKey: null, x509Thumbprint: null },
    status: 'enabled',
    statusReason: null,
    ...given,
    statusUpdatedTime: existing && existing.status === (given.status ?? 'enabled') ? existing.statusUpdatedTime : now,
    etag: newEtag(),
  };
}

export function hubRoutes(state, tokens, schemas) {
  const route = (method, handle) => ({
    method,
    pattern: /^\/hub\/([^/]+)\/devices\/([^/]+)$/i,
    handle(exchange, [hub, deviceId]) {
      const complaint = judgeAuthorization(exchange, state, tokens, { accept: 'hub', resource: hostOf(hub) });
      if (complaint) throw gatewayError(401, 'IotHubUnauthorizedAccess', `Unauthorized: ${complaint}.`);
      if (!versions.includes(exchange.query.get('api-version'))) {
        exchange.violation(`api-version ${exchange.query.get('api-version')}`);
        throw gatewayError(400, 'ArgumentInvalid', `Unknown api version; uri: ${exchange.path}`);
      }
      exchange.expectQuery(['api-version']);
      return handle(exchange, keyOf(hub, deviceId), deviceId);
    },
  });

  function existing(key, deviceId) {
    const device = state.hubDevices.get(key);
    if (!device) throw gatewayError(404, 'DeviceNotFound', `The device '${deviceId}' is not registered.`);
    return device;
  }

  // HTTP's own quotes around the etag are IoT Hub's custom; without them it is taken, too.
  function requireMatch(exchange, device) {
    const given = exchange.headers['if-match'];
    if (given !== '*' && given?.replace(/^"(.*)"$/, '$1') !== device.etag) {
      throw gatewayError(412, 'PreconditionFailed', 'Precondition failed: the etag does not match.');
    }
  }

  const answer = (device) => ({ status: 200, headers: { etag: `"${device.etag}"` }, body: device });

  function get(exchange, key, deviceId) {
    return answer(existing(key, deviceId));
  }

  function put(exchange, key, deviceId) {
    const refuse = (text) => gatewayError(400, 'ArgumentInvalid', `The request body is not valid: ${text}`);
    const given = exchange.json(refuse);
    schemas.check(exchange, 'hub.json#/$defs/Device', given, refuse);
    if (given.deviceId !== deviceId) throw refuse('deviceId differs from the path');
    const device = state.hubDevices.get(key);
    if (device) {
      if (exchange.headers['if-match'] === undefined) throw gatewayError(409, 'DeviceAlreadyExists', `The device '${deviceId}' already exists.`);
      requireMatch(exchange, device);
    } else if (exchange.headers['if-match'] !== undefined) {
      throw gatewayError(404, 'DeviceNotFound', `The device '${deviceId}' is not registered.`);
    }
    const stored = newDevice(state, given, device);
    state.hubDevices.set(key, stored);
    return answer(stored);
  }

  function remove(exchange, key, deviceId) {
    const device = existing(key, deviceId);
    if (exchange.headers['if-match'] !== undefined) requireMatch(exchange, device);
    state.hubDevices.delete(key);
    return { status: 204 };
  }

  return [route('GET', get), route('PUT', put), route('DELETE', remove)];
}
