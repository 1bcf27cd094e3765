// CA certificates under Azure Resource Manager.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { forged } from '../authority.mjs';
import { deleteCertificate } from '../clients.mjs';
import { base64Of, behaviour, bytesOf, device, failed, group, line1, root, service, strangers, workshop } from './scene.mjs';

const upload = (arm, ca = root, name = 'root') =>
  arm.createOrUpdate(group, service, name, { properties: { certificate: bytesOf(ca.certificate) } });

for (const version of [5, 6]) {
  behaviour(`ARM SDK ${version}: upload, code, proof of possession, verified, deleted, each step with the etag of the one before`, async (scene) => {
    const arm = await scene.arm(version);
    const uploaded = await upload(arm);
    assert.equal(uploaded.properties.isVerified, false);
    assert.equal(uploaded.properties.subject, 'Hallmark root');
    const asked = await arm.generateVerificationCode('root', uploaded.etag, group, service);
    assert.match(asked.properties.verificationCode, /^[0-9A-F]{48}$/);
    assert.equal(Buffer.from(asked.properties.certificate).toString(), root.certificate);
    const proof = workshop.device(asked.properties.verificationCode, root);
    const verified = await arm.verifyCertificate('root', asked.etag, group, service, { certificate: base64Of(proof.certificate) });
    assert.equal(verified.properties.isVerified, true);
    assert.equal(new Set([uploaded.etag, asked.etag, verified.etag]).size, 3);
    const read = await arm.get('root', group, service);
    assert.equal(read.etag, verified.etag);
    assert.equal(read.properties.thumbprint, new X509Certificate(root.certificate).fingerprint.replaceAll(':', ''));
    assert.deepEqual((await arm.list(group, service)).value.map(({ name }) => name), ['root']);
    await deleteCertificate(version, arm, { group, service, name: 'root', etag: verified.etag });
    assert.equal((await failed(arm.get('root', group, service))).status, 404);

    const sent = (await scene.journal()).filter(({ method }) => method !== 'GET');
    assert.deepEqual(sent.map(({ ifMatch }) => ifMatch), [null, uploaded.etag, asked.etag, verified.etag]);
    assert.equal(sent[0].apiVersion, version === 5 ? '2022-02-05' : '2026-08-31');
    assert.equal(Buffer.from(sent[0].body.properties.certificate, 'base64').toString(), root.certificate);
  });

  behaviour(`ARM SDK ${version}: a code that somebody else asked for meanwhile invalidates ours: 412`, async (scene) => {
    const arm = await scene.arm(version);
    const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
    const theirs = await scene.change({ kind: 'certificate', id: 'root', generateCode: true });
    const proof = { certificate: base64Of(workshop.device(asked.properties.verificationCode, root).certificate) };
    assert.equal((await failed(arm.verifyCertificate('root', asked.etag, group, service, proof))).status, 412);
    const fresh = await arm.get('root', group, service);
    assert.equal(fresh.etag, theirs.etag);
    assert.equal((await failed(arm.verifyCertificate('root', fresh.etag, group, service, proof))).body.code, '400053');
    assert.equal((await failed(deleteCertificate(version, arm, { group, service, name: 'root', etag: asked.etag }))).status, 412);
    assert.equal((await arm.get('root', group, service)).properties.isVerified, false);
  });
}

behaviour('a verification certificate of another CA is refused with IH400053, whatever its CN, and uses up the code', async (scene) => {
  const arm = await scene.arm();
  const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
  const verify = (issuer, commonName = asked.properties.verificationCode) =>
    arm.verifyCertificate('root', asked.etag, group, service, { certificate: base64Of(workshop.device(commonName, issuer).certificate) });
  const failure = await failed(verify(line1));
  assert.equal(failure.status, 400);
  assert.match(failure.body.message, /^Proof-Of-Possession failed\. Issuer certificate 'CN=Hallmark root' cannot be found in the certificate chain\..*IH400053/);
  assert.match((await failed(verify(root))).body.message, /no verification code.*IH400053/);
});

behaviour('a namesake of the CA with another key proves nothing', async (scene) => {
  const arm = await scene.arm();
  const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
  const namesake = workshop.ca('Hallmark root');
  const proof = workshop.device(asked.properties.verificationCode, namesake);
  assert.match((await failed(arm.verifyCertificate('root', asked.etag, group, service, { certificate: base64Of(proof.certificate) }))).body.message, /IH400053/);
});

behaviour('a verification certificate with a forged signature proves nothing', async (scene) => {
  const arm = await scene.arm();
  const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
  const proof = forged(workshop.device(asked.properties.verificationCode, root).certificate);
  assert.match((await failed(arm.verifyCertificate('root', asked.etag, group, service, { certificate: base64Of(proof) }))).body.message, /IH400053/);
});

for (const [name, alter] of [['in lower case', (code) => code.toLowerCase()], ['with more behind it', (code) => `${code}0`], ['of an earlier request', () => 'A'.repeat(48)]]) {
  behaviour(`a verification certificate whose CN is the code ${name} is refused`, async (scene) => {
    const arm = await scene.arm();
    const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
    const proof = workshop.device(alter(asked.properties.verificationCode), root);
    assert.match((await failed(arm.verifyCertificate('root', asked.etag, group, service, { certificate: base64Of(proof.certificate) }))).body.message, /IH400053/);
  });
}

behaviour('a verification certificate is refused after its notAfter, a code after its lifetime', async (scene) => {
  const arm = await scene.arm();
  await scene.settings({ failedProofConsumesCode: false, codeLifetimeSeconds: 7_776_000 });
  const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
  const proof = { certificate: base64Of(workshop.device(asked.properties.verificationCode, root).certificate) };
  const verify = () => arm.verifyCertificate('root', asked.etag, group, service, proof);
  await scene.settings({ clockOffsetSeconds: 31 * 86400 });
  assert.equal((await failed(verify())).status, 401, 'the token has expired, too');
  const later = await scene.arm();
  assert.match((await failed(later.verifyCertificate('root', asked.etag, group, service, proof))).body.message, /validity period.*IH400053/);
  await scene.settings({ clockOffsetSeconds: 60, codeLifetimeSeconds: 30 });
  assert.match((await failed(verify())).body.message, /code has expired.*IH400053/);
  await scene.settings({ clockOffsetSeconds: 0 });
  assert.equal((await verify()).properties.isVerified, true);
});

behaviour('a code is good once', async (scene) => {
  const arm = await scene.arm();
  const asked = await arm.generateVerificationCode('root', (await upload(arm)).etag, group, service);
  const proof = { certificate: base64Of(workshop.device(asked.properties.verificationCode, root).certificate) };
  const verified = await arm.verifyCertificate('root', asked.etag, group, service, proof);
  assert.match((await failed(arm.verifyCertificate('root', verified.etag, group, service, proof))).body.message, /IH400053/);
});

behaviour('answers have the quirks of recorded traffic', async (scene) => {
  const { status, body } = await scene.armCall('PUT', '/root', { body: { properties: { certificate: base64Of(root.certificate) } } });
  assert.equal(status, 200);
  assert.equal(body.type, 'Microsoft.Devices/ProvisioningServices/Certificates');
  assert.match(Buffer.from(body.etag, 'base64').toString(), /^"[0-9a-f-]{36}"$/);
  const { certificate, created, expiry, isVerified, subject, thumbprint, updated } = body.properties;
  assert.equal(certificate, null);
  assert.equal(created, 'Mon, 01 Jan 0001 00:00:00 GMT');
  assert.equal(expiry, new Date(new X509Certificate(root.certificate).validTo).toUTCString());
  assert.match(updated, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.equal(isVerified, false);
  assert.equal(subject, 'Hallmark root');
  assert.match(thumbprint, /^[0-9A-F]{40}$/);
});

behaviour('before 2022-02-05 the certificate stands at the top of the body, from then on in properties', async (scene) => {
  const flat = { certificate: base64Of(root.certificate) };
  const nested = { properties: flat };
  for (const version of ['2017-11-15', '2018-01-22', '2020-01-01', '2020-03-01', '2021-10-15']) {
    assert.equal((await scene.armCall('PUT', `/old-${version}`, { version, body: flat })).status, 200);
  }
  for (const version of ['2022-02-05', '2022-12-12', '2026-08-31']) {
    assert.equal((await scene.armCall('PUT', `/new-${version}`, { version, body: nested })).status, 200);
  }
  assert.equal((await scene.armCall('PUT', '/x', { version: '2021-10-15', body: nested })).status, 400);
  assert.equal((await scene.armCall('PUT', '/x', { version: '2022-02-05', body: flat })).status, 400);
}, { violations: 2 });

behaviour('an unknown api-version, an unknown query parameter and an unknown field are refused and recorded', async (scene) => {
  const unknown = await scene.armCall('GET', '', { version: '2023-01-01' });
  assert.equal(unknown.status, 400);
  assert.equal(unknown.body.error.code, 'NoRegisteredProviderFound');
  assert.equal((await scene.armCall('GET', '', { version: '2022-12-12&filter=x' })).status, 400);
  assert.equal((await scene.armCall('PUT', '/root', { body: { properties: { certificate: base64Of(root.certificate), purpose: 'x' } } })).status, 400);
}, { violations: 3 });

behaviour('If-Match is demanded where the contract demands it, and only there', async (scene) => {
  const put = (headers) => scene.armCall('PUT', '/root', { headers, body: { properties: { certificate: base64Of(root.certificate) } } });
  const uploaded = await put({ 'if-match': 'ignored while creating' });
  assert.equal(uploaded.status, 200);
  for (const [method, rest, body] of [['POST', '/root/generateVerificationCode'], ['POST', '/root/verify', { certificate: 'AAAA' }], ['DELETE', '/root']]) {
    assert.equal((await scene.armCall(method, rest, { body })).status, 400, `${method} ${rest}`);
  }
  assert.equal((await scene.armCall('GET', '/root')).status, 200);
  const again = await put({});
  assert.equal(again.status, 412);
  assert.match(again.body.message, /already exists/);
  assert.equal((await put({ 'if-match': 'stale' })).status, 412);
  assert.equal((await put({ 'if-match': uploaded.body.etag })).status, 200);
  await scene.settings({ putExistingCertificateWithoutIfMatch: 409 });
  assert.equal((await put({})).status, 409);
});

behaviour('an update with the same certificate keeps the proof, with another one it is gone', async (scene) => {
  const verified = await scene.publish('root', root);
  const arm = await scene.arm();
  const put = (ca, ifMatch) => arm.createOrUpdate(group, service, 'root', { properties: { certificate: bytesOf(ca.certificate) } }, { ifMatch });
  const same = await put(root, verified.etag);
  assert.equal(same.properties.isVerified, true);
  assert.equal((await put(strangers, same.etag)).properties.isVerified, false);
});

behaviour('isVerified in the upload attests without any proof', async (scene) => {
  const arm = await scene.arm(5);
  const uploaded = await arm.createOrUpdate(group, service, 'root', { properties: { certificate: bytesOf(root.certificate), isVerified: true } });
  assert.equal(uploaded.properties.isVerified, true);
});

behaviour('the 26th CA certificate is refused', async (scene) => {
  const arm = await scene.arm();
  for (let at = 1; at <= 25; at++) await upload(arm, root, `ca-${at}`);
  const failure = await failed(upload(arm, root, 'ca-26'));
  assert.equal(failure.status, 400);
  assert.match(failure.body.message, /limit is 25/);
});

behaviour('one CA certificate as PEM or DER is taken; two, a leaf, a key and what is none are not', async (scene) => {
  const put = (certificate) => scene.armCall('PUT', `/n${Math.random()}`, { body: { properties: { certificate } } });
  assert.equal((await put(base64Of(root.certificate))).status, 200);
  assert.equal((await put(new X509Certificate(root.certificate).raw.toString('base64'))).status, 200);
  for (const wrong of [root.certificate + line1.certificate, device.certificate, root.key, 'nonsense']) {
    assert.equal((await put(base64Of(wrong))).status, 400);
  }
});

behaviour('a certificate that an enrollment group references is not deleted', async (scene) => {
  const { etag } = await scene.publish('root', root);
  await scene.putGroup('devices', { caReferences: { primary: 'root' } });
  const arm = await scene.arm();
  assert.equal((await failed(deleteCertificate(6, arm, { group, service, name: 'root', etag }))).status, 409);
  await scene.serviceClient.deleteEnrollmentGroup('devices');
  await deleteCertificate(6, arm, { group, service, name: 'root', etag });
  assert.deepEqual((await arm.list(group, service)).value, []);
});

behaviour('ARM takes only a living token of its own audience', async (scene) => {
  const status = async (token) => (await failed(scene.clients.arm(6, { token }).list(group, service))).status;
  assert.equal(await status('made.up.token'), 401);
  assert.equal(await status(await scene.token('https://azure-devices-provisioning.net')), 401);
  assert.equal(await status(await scene.token('https://management.azure.com', -1)), 401);
  const signature = scene.clients.sharedAccessSignature(scene.standIn.serviceHost, { policy: 'provisioningserviceowner', key: 'AAAA' });
  assert.equal((await scene.armCall('GET', '', { headers: { authorization: signature } })).status, 401);
});
