// A small CA of openssl's, for the tests of the stand-in itself: nothing of Hallmark's takes part in them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const config = `
[req]
distinguished_name = dn
string_mask = utf8only
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[device]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
subjectAltName = DNS:localhost,DNS:global.azure-devices-provisioning.net,DNS:*.azure-devices-provisioning.net,IP:127.0.0.1
extendedKeyUsage = serverAuth
`;

const keyTypes = {
  'P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'RSA 2048': ['-newkey', 'rsa:2048'],
  'RSA 3072': ['-newkey', 'rsa:3072'],
};

export class Workshop {
  #made = 0;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'hallmark-dps-'));
    this.config = join(this.directory, 'openssl.cnf');
    writeFileSync(this.config, config);
  }

  // {certificate, key, certificateFile, keyFile}: a new key, certified by `issuer`, or by itself.
  make(commonName, { issuer, extensions, keyType = 'P-256', days = 30 }) {
    const path = join(this.directory, String(this.#made++));
    const [certificateFile, keyFile] = [`${path}.pem`, `${path}.key`];
    const signer = issuer ? ['-CA', issuer.certificateFile, '-CAkey', issuer.keyFile] : [];
    execFileSync('openssl', ['req', '-config', this.config, '-x509', ...keyTypes[keyType], '-nodes', '-sha256', '-days', String(days),
      '-subj', `/CN=${commonName}`, '-extensions', extensions, ...signer, '-keyout', keyFile, '-out', certificateFile], { stdio: 'pipe' });
    return { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certificateFile, keyFile };
  }

  ca(commonName, issuer) {
    return { ...this.make(commonName, { issuer, extensions: 'ca' }), issuer };
  }

  device(commonName, issuer, keyType) {
    return { ...this.make(commonName, { issuer, extensions: 'device', keyType }), issuer };
  }

  server(issuer) {
    return this.make('stand-in', { issuer, extensions: 'server' });
  }

  write(name, text) {
    const file = join(this.directory, name);
    writeFileSync(file, text);
    return file;
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

// The same certificate, names and key identifiers and all, with a signature that nobody made.
export function forged(pem) {
  const bytes = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  bytes[bytes.length - 1] ^= 1;
  return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

// The certificate and those above it, up to the root or to `last`.
export function chainOf(holder, last) {
  const above = holder === last || !holder.issuer ? '' : chainOf(holder.issuer, last);
  return holder.certificate + above;
}
