// The device registration API: TLS client authentication, then register and poll until a hub is assigned.
import { createHash, randomBytes } from 'node:crypto';
import { gatewayError, serviceError } from './answers.mjs';
import { isId } from './enrollments.mjs';
import { assignIdentity } from './hub.mjs';
import { judgeDevice } from './matching.mjs';
import { newEtag } from './state.mjs';
import { info } from './x509.mjs';

const versions = ['2019-03-31', '2021-06-01', '2021-10-01', '2025-07-01-preview', '2026-11-01'];
const versionsWithCsr = ['2025-07-01-preview', '2026-11-01'];

export function deviceRoutes(state, schemas) {
  const route = (method, pattern, handle, query = []) => ({
    method,
    pattern,
    handle(exchange, [idScope, registrationId, operationId]) {
      exchange.entry.credential = exchange.chain.length > 0 ? 'certificate' : 'none';
      admit(exchange, idScope, registrationId, ['api-version', ...query]);
      return handle(exchange, { idScope, registrationId, operationId });
    },
  });

  function admit(exchange, idScope, registrationId, query) {
    const version = exchange.query.get('api-version');
    if (!versions.includes(version)) {
      exchange.violation(version ? `unknown api-version ${version}` : 'api-version is missing');
      throw gatewayError(400, 'ArgumentInvalid', `Unknown api version; uri: ${exchange.path}`);
    }
    exchange.expectQuery(query);
    if (exchange.entry.tls !== 'TLSv1.2') throw serviceError(400011, `Devices are served over TLS 1.2 only, not over ${exchange.entry.tls}.`);
    if (idScope !== state.idScope) throw serviceError(404001, `The ID scope '${idScope}' was not found.`);
    if (!isId(registrationId)) throw serviceError(400001, `The registration id '${registrationId}' is not valid.`);
  }

  const badBody = (text) => serviceError(400001, `The request body is not valid: ${text}`);

  function readBody(exchange, registrationId) {
    const withCsr = versionsWithCsr.includes(exchange.query.get('api-version'));
    const body = exchange.json(badBody);
    schemas.check(exchange, `device.json#/$defs/${withCsr ? 'DeviceRegistrationWithCsr' : 'DeviceRegistration'}`, body, badBody);
    if (body.registrationId !== undefined && body.registrationId.toLowerCase() !== registrationId.toLowerCase()) {
      throw badBody('registrationId differs from the path');
    }
    if (body.csr !== undefined) throw serviceError(400012, 'The stand-in does not issue certificates for a csr.');
    return body;
  }

  function register(exchange, { idScope, registrationId }) {
    readBody(exchange, registrationId);
    const verdict = judgeDevice(state, registrationId, exchange.chain);
    if (verdict.message) return refused(exchange, registrationId, verdict);
    exchange.entry.decidedBy = verdict.group ? `group ${verdict.group}` : `enrollment ${registrationId}`;
    const operationId = `5.${randomBytes(8).toString('hex')}.${randomBytes(16).toString('hex')}`;
    const operation = {
      registrationId, operationId, verdict, chain: exchange.chain,
      polls: 0, state: null, leaf: exchange.chain[0].fingerprint256,
    };
    state.operations.set(operationId, operation);
    return progress(operation, idScope);
  }

  function refused(exchange, registrationId, { message, reason }) {
    exchange.entry.reason = reason;
    if (!state.settings.refuseWithFailedState) throw serviceError(401002, message, { reason });
    return {
      status: 200,
      body: {
        operationId: '', status: 'failed',
        registrationState: { registrationId, status: 'failed', errorCode: 401002, errorMessage: message },
      },
    };
  }

  function progress(operation, idScope) {
    const { operationId, registrationId } = operation;
    if (!operation.state && operation.polls >= state.settings.pollsUntilAssigned) operation.state = assign(operation);
    if (operation.state) {
      return { status: 200, body: { operationId, status: 'assigned', registrationState: operation.state } };
    }
    operation.polls += 1;
    return {
      status: 202,
      headers: {
        location: `https://global.azure-devices-provisioning.net/${idScope}/registrations/${registrationId}/operations/${operationId}`,
        'retry-after': String(state.settings.deviceRetryAfterSeconds),
      },
      body: { operationId, status: 'assigning' },
    };
  }

  function assign({ registrationId, verdict, chain }) {
    const { record } = verdict.enrollment;
    const earlier = state.registrations.get(registrationId.toLowerCase())?.record;
    const keep = earlier && !record.reprovisionPolicy.updateHubAssignment;
    const assignedHub = keep ? earlier.assignedHub : chooseHub(record, registrationId);
    const deviceId = verdict.group ? registrationId : record.deviceId ?? registrationId;
    const now = state.timestamp();
    const registration = {
      registrationId, createdDateTimeUtc: earlier?.createdDateTimeUtc ?? now, assignedHub, deviceId,
      status: 'assigned', substatus: substatus(earlier, assignedHub, record), lastUpdatedDateTimeUtc: now, etag: newEtag(),
    };
    state.registrations.set(registrationId.toLowerCase(), { record: registration, enrollmentGroupId: verdict.group ?? undefined });
    const known = verdict.group && state.settings.groupIdentities !== 'selfSigned' ? null : chain[0];
    assignIdentity(state, assignedHub, deviceId, known);
    return { x509: x509Result(verdict, chain), ...registration };
  }

  function substatus(earlier, assignedHub, record) {
    if (!earlier) return 'initialAssignment';
    if (earlier.assignedHub === assignedHub) return 'reprovisionedToInitialAssignment';
    return record.reprovisionPolicy.migrateDeviceData ? 'deviceDataMigrated' : 'deviceDataReset';
  }

  // Stable for a device while the list of hubs stays the same.
  function chooseHub(record, registrationId) {
    const hubs = record.iotHubs?.length > 0 ? record.iotHubs : record.iotHubHostName ? [record.iotHubHostName] : state.settings.linkedHubs;
    if (record.allocationPolicy === 'static') return hubs[0];
    return hubs[createHash('sha256').update(registrationId.toLowerCase()).digest().readUInt32BE() % hubs.length];
  }

  function x509Result({ group, signer }, chain) {
    if (!group) return { certificateInfo: info(chain[0]) };
    return { enrollmentGroupId: group, signingCertificateInfo: info(signer) };
  }

  // A GET that Microsoft's node SDK sends with the body {}.
  function operationStatus(exchange, { idScope, registrationId, operationId }) {
    if (exchange.body.length > 0) schemas.check(exchange, 'device.json#/$defs/Empty', exchange.json(badBody), badBody);
    const operation = state.operations.get(operationId);
    const own = operation?.registrationId.toLowerCase() === registrationId.toLowerCase() && operation.leaf === exchange.chain[0]?.fingerprint256;
    if (!own) throw serviceError(404204, `The operation '${operationId}' was not found.`);
    return progress(operation, idScope);
  }

  function statusLookup(exchange, { registrationId }) {
    readBody(exchange, registrationId);
    const verdict = judgeDevice(state, registrationId, exchange.chain);
    if (verdict.message) throw serviceError(401002, verdict.message, { reason: verdict.reason });
    const registration = state.registrations.get(registrationId.toLowerCase());
    if (!registration) throw serviceError(404203, `The registration '${registrationId}' was not found.`);
    return { status: 200, body: registration.record };
  }

  return [
    route('PUT', /^\/([^/]+)\/registrations\/([^/]+)\/register$/i, register, ['forceRegistration']),
    route('GET', /^\/([^/]+)\/registrations\/([^/]+)\/operations\/([^/]+)$/i, operationStatus),
    route('POST', /^\/([^/]+)\/registrations\/([^/]+)$/i, statusLookup),
  ];
}
