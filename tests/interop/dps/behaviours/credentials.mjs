// Who may call: signatures, bearer tokens, and where the tokens come from.
import assert from 'node:assert/strict';
import { createHash, randomUUID, sign, constants, X509Certificate } from 'node:crypto';
import { behaviour, daemon, entra, failed, group, sas, service, workshop } from './scene.mjs';

const { tenant, client } = entra;

behaviour('a signature is refused when its key, host, policy or time is wrong', async (scene) => {
  const host = scene.standIn.serviceHost;
  const call = (sas) => scene.clients.service(host, { sas }).getEnrollmentGroup('g');
  assert.equal((await failed(call(sas))).status, 404);
  for (const wrong of [{ key: 'AAAA' }, { policy: 'nobody' }, { lifetimeSeconds: -1 }]) {
    assert.equal((await failed(call({ ...sas, ...wrong }))).body.errorCode, 401002, JSON.stringify(wrong));
  }
  for (const resource of ['other.azure-devices-provisioning.net', host.toUpperCase()]) {
    const authorization = scene.clients.sharedAccessSignature(resource, sas);
    assert.equal((await scene.serviceCall('GET', '/enrollmentGroups/g', { headers: { authorization } })).status, 401, resource);
  }
  assert.equal((await scene.standIn.call('GET', '/enrollmentGroups/g?api-version=2021-10-01')).status, 401);
});

behaviour('a signature ends while the clock goes on, and both keys of a policy are good', async (scene) => {
  await scene.settings({ clockOffsetSeconds: 601 });
  assert.equal((await failed(scene.serviceClient.getEnrollmentGroup('g'))).status, 401);
  await scene.settings({ clockOffsetSeconds: 0 });
  await scene.settings({ sasKeys: { dps: { provisioningserviceowner: ['AAAA', sas.key] } } });
  assert.equal((await failed(scene.serviceClient.getEnrollmentGroup('g'))).status, 404);
});

behaviour('disableLocalAuth: signatures are refused with a reason, tokens go on', async (scene) => {
  await scene.settings({ disableLocalAuth: true });
  const failure = await failed(scene.serviceClient.getEnrollmentGroup('g'));
  assert.equal(failure.status, 401);
  assert.match(failure.body.message, /local authentication is disabled/);
  const token = await scene.token('https://azure-devices-provisioning.net');
  assert.equal((await failed(scene.clients.service(scene.standIn.serviceHost, { token }).getEnrollmentGroup('g'))).status, 404);
});

behaviour('the data plane takes only a living token of its own audience', async (scene) => {
  const status = async (token) => (await failed(scene.clients.service(scene.standIn.serviceHost, { token }).getEnrollmentGroup('g'))).status;
  const token = await scene.token('https://azure-devices-provisioning.net');
  assert.equal(await status(token), 404);
  assert.equal(await status(await scene.token('https://management.azure.com')), 401);
  await scene.standIn.control('DELETE', 'tokens');
  assert.equal(await status(token), 401);
});

function assertion(scene, { header = {}, claims = {}, signer = daemon } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const full = {
    header: { alg: 'PS256', typ: 'JWT', 'x5t#S256': createHash('sha256').update(new X509Certificate(daemon.certificate).raw).digest('base64url'), ...header },
    claims: {
      aud: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`, iss: client, sub: client, jti: randomUUID(), nbf: now, exp: now + 300, ...claims,
    },
  };
  const text = [full.header, full.claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const key = full.header.alg === 'PS256'
    ? { key: signer.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : signer.key;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

function ask(scene, { form = {}, inTenant = tenant, ...mutation } = {}) {
  const fields = {
    grant_type: 'client_credentials', client_id: client, scope: 'https://management.azure.com/.default',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion(scene, mutation), ...form,
  };
  return scene.standIn.call('POST', `/${inTenant}/oauth2/v2.0/token`,
    { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(fields).toString() });
}

for (const alg of ['PS256', 'RS256']) {
  behaviour(`an assertion signed by the registered certificate (${alg}) is worth a token that ARM takes`, async (scene) => {
    await scene.settings({ tokenLifetimeSeconds: 120 });
    const { status, body } = await ask(scene, { header: { alg } });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.token_type, body.expires_in], ['Bearer', 120]);
    assert.deepEqual((await scene.clients.arm(6, { token: body.access_token }).list(group, service)).value, []);
    await scene.settings({ clockOffsetSeconds: 121 });
    assert.equal((await failed(scene.clients.arm(6, { token: body.access_token }).list(group, service))).status, 401);
    const journal = JSON.stringify(await scene.journal());
    assert.ok(!journal.includes(body.access_token));
  });
}

const now = Math.floor(Date.now() / 1000);
const wrongs = {
  'signed by another key': [{ signer: workshop.make('other', { extensions: 'device', keyType: 'RSA 2048' }) }, 700027],
  'with the thumbprint of another certificate': [{ header: { 'x5t#S256': 'AAAA' } }, 700027],
  'without a signature': [{ header: { alg: 'none' } }, 50027],
  'for another audience': [{ claims: { aud: 'https://example.com' } }, 700023],
  'whose iss is another': [{ claims: { iss: 'x' } }, 700021],
  'whose sub is another': [{ claims: { sub: 'x' } }, 700021],
  'that has expired': [{ claims: { exp: now - 1 } }, 700024],
  'that is not yet valid': [{ claims: { nbf: now + 600 } }, 700024],
  'without jti': [{ claims: { jti: undefined } }, 50027],
  'of an unknown client': [{ form: { client_id: 'x' } }, 700016],
  'in another tenant': [{ inTenant: 'x' }, 90002],
  'for a scope that nobody has': [{ form: { scope: 'https://example.com/.default' } }, 70011],
};
behaviour('an assertion with anything wrong is refused with the AADSTS number that says what', async (scene, t) => {
  for (const [what, [mutation, number]] of Object.entries(wrongs)) {
    await t.test(`${what}: AADSTS${number}`, async () => {
      const { status, body } = await ask(scene, mutation);
      assert.ok(status === 400 || status === 401);
      assert.deepEqual(body.error_codes, [number]);
      assert.match(body.error_description, new RegExp(`^AADSTS${number}: `));
    });
  }
});

behaviour('a managed identity gets a token from the metadata service, if it asks as it should', async (scene) => {
  const ask = (headers, query = 'api-version=2018-02-01&resource=https://azure-devices-provisioning.net') =>
    fetch(`http://127.0.0.1:${scene.standIn.metadataPort}/metadata/identity/oauth2/token?${query}`, { headers });
  assert.equal((await ask({})).status, 400);
  assert.equal((await ask({ Metadata: 'true' }, 'api-version=2018-02-01&resource=https://example.com')).status, 400);
  const body = await (await ask({ Metadata: 'true' })).json();
  assert.equal(body.expires_in, '3599');
  const other = scene.clients.service(scene.standIn.serviceHost, { token: body.access_token });
  assert.equal((await failed(other.getEnrollmentGroup('g'))).status, 404);
});
