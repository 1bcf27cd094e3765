// Which enrollment decides about a device, and whether it may be provisioned.
import { find, individuals } from './enrollments.mjs';
import { commonName, hasClientAuth, isIssuedBy, isSelfSigned, isValidAt } from './x509.mjs';

const invalid = 'Invalid certificate';
const noCa = 'CA certificate not found';
const noMatch = 'Signing certificate info did not match chain elements.';
const disabled = 'Registration is disabled.';

const refuse = (message, reason) => ({ message, reason });

// {enrollment, group, signer} of the record that lets the device in, or {message, reason}: what it is told, and why.
export function judgeDevice(state, registrationId, chain) {
  const broken = judgeChain(state, registrationId, chain);
  if (broken) return refuse(invalid, broken);
  const individual = find(state, individuals, registrationId);
  return individual ? judgeIndividual(state, individual, chain) : judgeGroups(state, chain);
}

// What is wrong with the presented certificates themselves. RFC 5246 7.4.2: each must directly certify the one before it.
function judgeChain(state, registrationId, chain) {
  if (chain.length === 0) return 'no client certificate was presented';
  const [leaf] = chain;
  if (commonName(leaf)?.toLowerCase() !== registrationId.toLowerCase()) return `the leaf's CN is ${commonName(leaf)}`;
  if (state.settings.requireClientAuth && !hasClientAuth(leaf)) return 'the leaf lacks EKU clientAuth';
  const most = state.settings.maxChainCertificates;
  if (most > 0 && chain.length > most) return `the chain has ${chain.length} certificates`;
  for (const [at, certificate] of chain.entries()) {
    if (!isValidAt(certificate, state.now())) return `certificate ${at} of the chain is not within its validity period`;
    if (at === 0) continue;
    if (!certificate.ca) return `certificate ${at} of the chain is not a CA certificate`;
    if (!isIssuedBy(chain[at - 1], certificate)) return `certificate ${at} of the chain did not issue the one before it`;
  }
  return null;
}

// An individual enrollment decides alone: a group that would let the device in is not asked.
function judgeIndividual(state, individual, chain) {
  const { record, certificates } = individual;
  if (record.provisioningStatus === 'disabled') return refuse(disabled, `enrollment ${record.registrationId} is disabled`);
  if (record.attestation.type !== 'x509') return refuse(invalid, `enrollment ${record.registrationId} attests by ${record.attestation.type}`);
  const [leaf] = chain;
  if (!Object.values(certificates).some((each) => each.fingerprint256 === leaf.fingerprint256)) {
    return refuse(invalid, `the leaf is not that of enrollment ${record.registrationId}`);
  }
  if (!isSelfSigned(leaf) && !chain.slice(1).some((signer) => isVerified(state, signer))) {
    return refuse(noCa, 'no signer in the presented chain is verified');
  }
  return { enrollment: individual, group: null, signer: null };
}

// From the CA closest to the leaf up to the root: the first one that a group names decides, enabled or not.
function judgeGroups(state, chain) {
  for (const [at, signer] of chain.entries()) {
    if (at === 0) continue;
    const group = [...state.enrollmentGroups.values()].find((each) => names(state, each, signer));
    if (!group) continue;
    const { enrollmentGroupId, provisioningStatus } = group.record;
    if (provisioningStatus === 'disabled') return refuse(disabled, `enrollment group ${enrollmentGroupId} is disabled`);
    if (!chain.slice(at).some((above) => isVerified(state, above))) {
      return refuse(noCa, `neither the certificate of group ${enrollmentGroupId} nor one presented above it is verified`);
    }
    return { enrollment: group, group: enrollmentGroupId, signer };
  }
  return refuse(noMatch, 'no enrollment group names a certificate of the presented chain');
}

function names(state, { record, certificates }, signer) {
  const references = Object.values(record.attestation.x509?.caReferences ?? {})
    .map((name) => state.certificates.get(name.toLowerCase())?.x509);
  return [...Object.values(certificates), ...references].some((each) => each?.fingerprint256 === signer.fingerprint256);
}

function isVerified(state, certificate) {
  return [...state.certificates.values()].some((each) => each.isVerified && each.x509.fingerprint256 === certificate.fingerprint256);
}
