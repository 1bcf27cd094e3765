// X.509 as DPS looks at it, on node's own X509Certificate.
import { X509Certificate } from 'node:crypto';

const clientAuth = '1.3.6.1.5.5.7.3.2';

// One certificate as PEM; more than one, or anything beside it, throws.
export function fromPem(text) {
  const blocks = text.match(/-----BEGIN [^-]+-----/g) ?? [];
  if (blocks.length !== 1 || blocks[0] !== '-----BEGIN CERTIFICATE-----') {
    throw new Error(`expected one PEM certificate, found ${blocks.length} PEM blocks`);
  }
  return new X509Certificate(text);
}

// The ARM body: base64 of PEM text, or of DER as a .cer file has it.
export function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) throw new Error('not base64');
  const bytes = Buffer.from(text, 'base64');
  if (bytes[0] === 0x30) return new X509Certificate(bytes);
  return fromPem(bytes.toString('utf8'));
}

export function sha1Thumbprint(certificate) {
  return certificate.fingerprint.replaceAll(':', '');
}

export function sha256Thumbprint(certificate) {
  return certificate.fingerprint256.replaceAll(':', '');
}

// The attribute's value, whatever characters it has: `subject` would escape some. Undefined unless there is just one.
export function commonName(certificate) {
  const name = certificate.toLegacyObject().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}

// .NET writes a Name in reverse order, separated by comma and space.
function nameText(lines) {
  return (lines ?? '').split('\n').reverse().join(', ');
}

function version(certificate) {
  const afterHeader = (at) => at + 2 + (certificate.raw[at + 1] & 0x80 ? certificate.raw[at + 1] & 0x7f : 0);
  const tbs = afterHeader(afterHeader(0));
  return certificate.raw[tbs] === 0xa0 ? certificate.raw[tbs + 4] + 1 : 1;
}

const seconds = (text) => new Date(text).toISOString().replace('.000Z', 'Z');

// X509CertificateInfo: all that a GET of an enrollment shows of a certificate.
export function info(certificate) {
  return {
    subjectName: nameText(certificate.subject),
    sha1Thumbprint: sha1Thumbprint(certificate),
    sha256Thumbprint: sha256Thumbprint(certificate),
    issuerName: nameText(certificate.issuer),
    notBeforeUtc: seconds(certificate.validFrom),
    notAfterUtc: seconds(certificate.validTo),
    serialNumber: certificate.serialNumber,
    version: version(certificate),
  };
}

export function isValidAt(certificate, now) {
  return Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
}

export function hasClientAuth(certificate) {
  return (certificate.keyUsage ?? []).includes(clientAuth);
}

// Names, key identifiers, keyCertSign and the signature itself.
export function isIssuedBy(certificate, issuer) {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

// A device's own certificate need not have keyCertSign to certify itself.
export function isSelfSigned(certificate) {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

// The client's certificates in the order in which the handshake brought them.
export function presentedChain(socket) {
  const chain = [];
  for (let next = socket.getPeerX509Certificate?.(); next; next = next.issuerCertificate) {
    if (chain.some((seen) => seen.fingerprint256 === next.fingerprint256)) break;
    chain.push(next);
  }
  return chain;
}
