// Enrollment groups and individual enrollments on the data plane.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { pagesOf, runBulk } from '../clients.mjs';
import { behaviour, device, failed, line1, line2, root, strangers } from './scene.mjs';

const symmetricKey = { type: 'symmetricKey' };

behaviour('a group shows its certificates by their info only', async (scene) => {
  await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate }, secondary: { certificate: line2.certificate } } });
  const { responseBody: read } = await scene.serviceClient.getEnrollmentGroup('line-1');
  const { primary, secondary } = read.attestation.x509.signingCertificates;
  assert.deepEqual(Object.keys(primary), ['info']);
  const x509 = new X509Certificate(line1.certificate);
  assert.deepEqual(primary.info, {
    subjectName: 'CN=Hallmark line 1', issuerName: 'CN=Hallmark root', version: 3, serialNumber: x509.serialNumber,
    sha1Thumbprint: x509.fingerprint.replaceAll(':', ''), sha256Thumbprint: x509.fingerprint256.replaceAll(':', ''),
    notBeforeUtc: new Date(x509.validFrom).toISOString().replace('.000Z', 'Z'), notAfterUtc: new Date(x509.validTo).toISOString().replace('.000Z', 'Z'),
  });
  assert.equal(secondary.info.subjectName, 'CN=Hallmark line 2');
  assert.equal(read.provisioningStatus, 'enabled');
});

behaviour('a PUT of the info that was read keeps the certificate, and a slot left out is dropped', async (scene) => {
  await scene.publish('root', root);
  await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate }, secondary: { certificate: line2.certificate } } });
  const { responseBody: read } = await scene.serviceClient.getEnrollmentGroup('line-1');
  delete read.attestation.x509.signingCertificates.secondary;
  read.initialTwin = { tags: { plant: 7 } };
  const { responseBody: put } = await scene.serviceClient.createOrUpdateEnrollmentGroup(read);
  assert.notEqual(put.etag, read.etag);
  assert.equal(put.createdDateTimeUtc, read.createdDateTimeUtc);
  const [stored] = (await scene.standIn.control('GET', 'state')).enrollmentGroups;
  assert.deepEqual(Object.keys(stored.certificates), ['primary']);
  assert.equal(stored.certificates.primary, line1.certificate);
  assert.deepEqual(stored.initialTwin, { tags: { plant: 7 } });
  assert.equal((await scene.register(device, 'device-1')).status, 'assigned');
});

behaviour('info of a certificate that is not stored is refused', async (scene) => {
  const one = await scene.putGroup('line-1', { signingCertificates: { primary: { certificate: line1.certificate } } });
  const other = await scene.putGroup('line-2', { signingCertificates: { primary: { certificate: line2.certificate } } });
  const failure = await failed(scene.serviceClient.createOrUpdateEnrollmentGroup({ ...one, attestation: other.attestation }));
  assert.equal(failure.status, 400);
  assert.equal((await failed(scene.putGroup('line-3', one.attestation.x509))).status, 400);
});

behaviour('a PUT on an enrollment that exists: 409 without If-Match, 412 with a stale one, done with the right one or *', async (scene) => {
  const created = await scene.putEnrollment('device-1', symmetricKey, { provisioningStatus: 'disabled' });
  assert.equal((await failed(scene.putEnrollment('DEVICE-1', symmetricKey))).status, 409);
  const stale = await failed(scene.putEnrollment('device-1', symmetricKey, { etag: 'stale' }));
  assert.equal(stale.status, 412);
  assert.equal(stale.body.errorCode, 412001);
  const updated = await scene.putEnrollment('device-1', symmetricKey, { etag: created.etag });
  await scene.putEnrollment('device-1', symmetricKey, { etag: '*' });
  assert.equal((await failed(scene.serviceClient.deleteIndividualEnrollment('device-1', updated.etag))).status, 412);
  await scene.serviceClient.deleteIndividualEnrollment('device-1');
  assert.equal((await failed(scene.serviceClient.getIndividualEnrollment('device-1'))).body.errorCode, 404201);
});

behaviour('errors have the shape of the specification', async (scene) => {
  const { status, headers, body } = await scene.serviceCall('GET', '/enrollmentGroups/nobody');
  assert.equal(status, 404);
  assert.equal(headers['x-ms-error-code'], String(body.errorCode));
  assert.deepEqual(Object.keys(body), ['errorCode', 'trackingId', 'message', 'info', 'timestampUtc']);
  const gateway = await scene.serviceCall('GET', '/enrollmentGroups/nobody', { version: '2020-01-01' });
  assert.match(gateway.body.Message, /^ErrorCode:ArgumentInvalid;Unknown api version; uri: /);
  assert.equal((await scene.serviceCall('PATCH', '/enrollmentGroups/nobody')).status, 405);
  assert.equal((await scene.serviceCall('PUT', '/enrollmentGroups/g', { body: '{}', headers: { 'content-type': 'text/plain' } })).status, 415);
}, { violations: 3 });

behaviour('iotHubs need an allocationPolicy', async (scene) => {
  const failure = await failed(scene.putEnrollment('device-1', symmetricKey, { iotHubs: ['a.azure-devices.net'] }));
  assert.equal(failure.body.errorCode, 400004);
  assert.equal(failure.body.message, 'Enrollment allocationPolicy must be specified when iotHubs are specified.');
  await scene.putEnrollment('device-1', symmetricKey, { iotHubs: ['a.azure-devices.net'], allocationPolicy: 'hashed' });
});

behaviour('a registration id has up to 128 characters of the alphabet, the last alphanumeric or a dash', async (scene) => {
  for (const id of ['a', 'A1-._:z', 'ends-with-', 'x'.repeat(128)]) {
    assert.equal((await scene.putEnrollment(id, symmetricKey)).registrationId, id);
  }
  for (const id of ['x'.repeat(129), 'ends.', 'ends_', 'ends:', 'sp ace', 'ü']) {
    assert.equal((await failed(scene.putEnrollment(id, symmetricKey))).status, 400, id);
  }
});

behaviour('caReferences name a certificate that exists and is verified', async (scene) => {
  assert.match((await failed(scene.putGroup('g', { caReferences: { primary: 'root' } }))).body.message, /does not exist/);
  await scene.armCall('PUT', '/root', { body: { properties: { certificate: Buffer.from(root.certificate).toString('base64') } } });
  assert.match((await failed(scene.putGroup('g', { caReferences: { primary: 'root' } }))).body.message, /not verified/);
  await scene.settings({ allowUnverifiedReferences: true });
  await scene.putGroup('g', { caReferences: { primary: 'root' } });
});

behaviour('what a newer api-version has is unknown to an older one', async (scene) => {
  const trio = { namespaceName: 'plant', certificateAuthorityName: 'ca1', certificatePolicyName: 'short' };
  const put = (id, version, more) => scene.serviceCall('PUT', `/enrollmentGroups/${id}`, { version, body: { enrollmentGroupId: id, attestation: symmetricKey, ...more } });
  assert.equal((await put('a', '2026-11-01', trio)).status, 200);
  assert.equal((await put('b', '2025-07-01-preview', { credentialPolicyName: 'p' })).status, 200);
  assert.equal((await put('c', '2021-10-01', trio)).status, 400);
  assert.equal((await put('d', '2026-11-01', { namespaceName: 'plant' })).status, 400);
  assert.equal((await put('e', '2026-11-01', { credentialPolicyName: 'p' })).status, 400);
}, { violations: 3 });

behaviour('a bulk of ten with three errors is a 200 that names the three', async (scene) => {
  const ids = Array.from({ length: 10 }, (_, at) => `device-${at}`);
  for (const at of [2, 5, 9]) await scene.putEnrollment(ids[at], symmetricKey);
  const enrollments = ids.map((registrationId) => ({ registrationId, attestation: symmetricKey, provisioningStatus: 'disabled' }));
  const result = await runBulk(scene.serviceClient, { mode: 'create', enrollments });
  assert.equal(result.isSuccessful, false);
  assert.deepEqual(result.errors.map(({ registrationId, errorCode }) => [registrationId, errorCode]), [2, 5, 9].map((at) => [ids[at], 409201]));
  const { enrollments: stored } = await scene.standIn.control('GET', 'state');
  assert.equal(stored.length, 10);
  assert.equal(stored.filter(({ provisioningStatus }) => provisioningStatus === 'disabled').length, 7);
  assert.equal((await scene.journal()).at(-1).path, '/enrollments/');
});

behaviour('bulk by its other modes: update, updateIfMatchETag, delete, and for groups', async (scene) => {
  const created = await scene.putEnrollment('a', symmetricKey);
  const run = (mode, ...enrollments) => runBulk(scene.serviceClient, { mode, enrollments });
  const a = { registrationId: 'a', attestation: symmetricKey };
  const b = { registrationId: 'b', attestation: symmetricKey };
  assert.deepEqual((await run('update', a, b)).errors.map(({ errorCode }) => errorCode), [404201]);
  assert.deepEqual((await run('updateIfMatchETag', { ...a, etag: created.etag })).errors.map(({ errorCode }) => errorCode), [412001]);
  assert.deepEqual(await run('delete', a), { isSuccessful: true, errors: [] });
  const groups = await scene.serviceCall('POST', '/enrollmentGroups', { body: { mode: 'create', enrollmentGroups: [{ enrollmentGroupId: 'g', attestation: symmetricKey }] } });
  assert.deepEqual(groups.body, { isSuccessful: true, errors: [] });
});

behaviour('a bulk of eleven is refused whole', async (scene) => {
  const enrollments = Array.from({ length: 11 }, (_, at) => ({ registrationId: `device-${at}`, attestation: symmetricKey }));
  assert.equal((await failed(runBulk(scene.serviceClient, { mode: 'create', enrollments }))).status, 400);
  assert.deepEqual((await scene.standIn.control('GET', 'state')).enrollments, []);
}, { violations: 1 });

for (const emptyPages of [false, true]) {
  behaviour(`a query goes on page by page${emptyPages ? ', empty pages among them' : ''}`, async (scene) => {
    await scene.settings({ emptyPages });
    for (let at = 0; at < 7; at++) await scene.putEnrollment(`device-${at}`, symmetricKey);
    const pages = await pagesOf(scene.serviceClient.createIndividualEnrollmentQuery({ query: 'SELECT *' }, 3));
    assert.deepEqual(pages.map(({ length }) => length), emptyPages ? [0, 3, 0, 3, 0, 1] : [3, 3, 1]);
    assert.deepEqual(pages.flat().map(({ registrationId }) => registrationId), Array.from({ length: 7 }, (_, at) => `device-${at}`));
  });
}

behaviour('a continuation that was not handed out, and a query that is not known, are refused', async (scene) => {
  const query = (body, headers) => scene.serviceCall('POST', '/enrollments/query', { body, headers });
  assert.equal((await query({ query: 'SELECT *' }, { 'x-ms-continuation': 'made up' })).status, 400);
  assert.equal((await query({ query: 'SELECT * WHERE 1' })).status, 400);
}, { violations: 1 });

behaviour('keys are shown by attestationmechanism only', async (scene) => {
  const primaryKey = Buffer.alloc(64, 1).toString('base64');
  const put = await scene.putEnrollment('device-1', { ...symmetricKey, symmetricKey: { primaryKey } });
  assert.deepEqual(put.attestation, { type: 'symmetricKey', symmetricKey: {} });
  const { responseBody } = await scene.serviceClient.getIndividualEnrollmentAttestationMechanism('device-1');
  assert.equal(responseBody.symmetricKey.primaryKey, primaryKey);
  await scene.putGroup('g', { signingCertificates: { primary: { certificate: line1.certificate } } });
  const { responseBody: ofGroup } = await scene.serviceClient.getEnrollmentGroupAttestationMechanism('g');
  assert.equal(ofGroup.x509.signingCertificates.primary.info.subjectName, 'CN=Hallmark line 1');
});

behaviour('the 101st enrollment group is refused', async (scene) => {
  for (let at = 0; at < 100; at++) {
    await scene.serviceCall('PUT', `/enrollmentGroups/g${at}`, { body: { enrollmentGroupId: `g${at}`, attestation: symmetricKey } });
  }
  const { status, body } = await scene.serviceCall('PUT', '/enrollmentGroups/g100', { body: { enrollmentGroupId: 'g100', attestation: symmetricKey } });
  assert.equal(status, 400);
  assert.match(body.message, /limit of 100/);
});

behaviour('a signing certificate is one CA certificate as PEM', async (scene) => {
  const put = (certificate) => failed(scene.putGroup('g', { signingCertificates: { primary: { certificate } } }));
  for (const wrong of [device.certificate, root.certificate + strangers.certificate, Buffer.from(root.certificate).toString('base64')]) {
    assert.equal((await put(wrong)).status, 400);
  }
});
