// Enrollment records: what a PUT stores, and what a GET shows of it.
import { randomBytes } from 'node:crypto';
import { serviceError } from './answers.mjs';
import { newEtag } from './state.mjs';
import { fromPem, info, sha256Thumbprint } from './x509.mjs';

export const groups = {
  name: 'enrollment group', id: 'enrollmentGroupId', schema: 'EnrollmentGroup', store: 'enrollmentGroups',
  limit: 'enrollmentGroupLimit', notFound: 404202, exists: 409202, itemType: 'enrollmentGroup',
};
export const individuals = {
  name: 'enrollment', id: 'registrationId', schema: 'IndividualEnrollment', store: 'enrollments',
  limit: 'enrollmentLimit', notFound: 404201, exists: 409201, itemType: 'enrollment',
};

// At most 128 characters, alphanumeric and -._: , the last alphanumeric or a dash; compared without case.
export function isId(text) {
  return /^[A-Za-z0-9\-._:]{0,127}[A-Za-z0-9-]$/.test(text);
}

export function find(state, kind, id) {
  return state[kind.store].get(id.toLowerCase());
}

export function matches(exchangeIfMatch, stored) {
  return exchangeIfMatch === '*' || exchangeIfMatch === stored.record.etag;
}

// Stores `given` under `id`: the whole record, but for certificates and keys that are sent back as they were shown.
export function store(state, kind, id, given) {
  const existing = find(state, kind, id);
  if (!isId(id)) throw serviceError(400001, `The ${kind.name} id '${id}' is not valid.`);
  if (given[kind.id].toLowerCase() !== id.toLowerCase()) throw serviceError(400001, `${kind.id} differs from the id in the path.`);
  if (given.iotHubs?.length > 0 && !given.allocationPolicy) {
    throw serviceError(400004, 'Enrollment allocationPolicy must be specified when iotHubs are specified.');
  }
  if (!existing && state[kind.store].size >= state.settings[kind.limit]) {
    throw serviceError(400005, `The limit of ${state.settings[kind.limit]} for the ${kind.name}s of '${state.service}' is reached.`);
  }
  const { attestation, certificates, keys } = attest(state, given.attestation, existing);
  const { registrationState, ...settable } = given;
  const now = state.timestamp();
  const record = {
    provisioningStatus: 'enabled',
    reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
    capabilities: { iotEdge: false },
    ...settable,
    [kind.id]: existing?.record[kind.id] ?? id,
    attestation,
    etag: newEtag(),
    createdDateTimeUtc: existing?.record.createdDateTimeUtc ?? now,
    lastUpdatedDateTimeUtc: now,
  };
  const stored = { record, certificates, keys };
  state[kind.store].set(id.toLowerCase(), stored);
  return stored;
}

function attest(state, given, existing) {
  if (given.type === 'symmetricKey') {
    const old = existing?.keys ?? {};
    const fresh = () => randomBytes(64).toString('base64');
    const keys = {
      primaryKey: given.symmetricKey?.primaryKey ?? old.primaryKey ?? fresh(),
      secondaryKey: given.symmetricKey?.secondaryKey ?? old.secondaryKey ?? fresh(),
    };
    return { attestation: { type: 'symmetricKey', symmetricKey: {} }, certificates: {}, keys };
  }
  const [means, slots] = Object.entries(given.x509)[0];
  if (means === 'caReferences') {
    for (const name of Object.values(slots)) checkReference(state, name);
    return { attestation: given, certificates: {}, keys: null };
  }
  const certificates = {};
  const shown = {};
  for (const [slot, value] of Object.entries(slots)) {
    certificates[slot] = readSlot(means, slot, value, existing);
    shown[slot] = { info: info(certificates[slot]) };
  }
  return { attestation: { type: 'x509', x509: { [means]: shown } }, certificates, keys: null };
}

function checkReference(state, name) {
  const certificate = state.certificates.get(name.toLowerCase());
  if (!certificate) throw serviceError(400006, `The CA certificate '${name}' does not exist.`);
  if (!certificate.isVerified && !state.settings.allowUnverifiedReferences) {
    throw serviceError(400007, `The CA certificate '${name}' is not verified.`);
  }
}

// {certificate} replaces; {info} alone keeps the certificate that is there.
function readSlot(means, slot, value, existing) {
  if (value.certificate === undefined) {
    const kept = existing?.record.attestation.x509?.[means] ? existing.certificates[slot] : undefined;
    if (kept && sha256Thumbprint(kept) === value.info.sha256Thumbprint) return kept;
    throw serviceError(400008, `The ${slot} certificate is given by its info only, and is not the one that is stored.`);
  }
  let certificate;
  try {
    certificate = fromPem(value.certificate);
  } catch (error) {
    throw serviceError(400009, `The ${slot} certificate is not valid: ${error.message}.`);
  }
  if (means === 'signingCertificates' && !certificate.ca) {
    throw serviceError(400009, `The ${slot} signing certificate is not a CA certificate.`);
  }
  return certificate;
}

// An individual enrollment shows the registration that came of it.
export function shown(state, kind, { record }) {
  if (kind !== individuals) return record;
  const registration = state.registrations.get(record.registrationId.toLowerCase());
  return registration ? { ...record, registrationState: registration.record } : record;
}
