// Proof of possession: is this verification certificate what only the holder of the CA's key can have made?
import { commonName, fromBase64, isIssuedBy, isValidAt } from './x509.mjs';

// Null, or the text that the service gives before "errorcode: IH400053".
export function judgeProof(certificate, base64, state) {
  const code = certificate.verificationCode;
  if (!code) return 'There is no verification code for this certificate.';
  const lifetime = state.settings.codeLifetimeSeconds;
  if (lifetime > 0 && state.now() > code.createdMs + lifetime * 1000) return 'The verification code has expired.';
  let proof;
  try {
    proof = fromBase64(base64);
  } catch (error) {
    return `The verification certificate cannot be read: ${error.message}.`;
  }
  if (!isIssuedBy(proof, certificate.x509)) {
    return `Issuer certificate '${certificate.x509.subject.split('\n').reverse().join(', ')}' cannot be found in the certificate chain.`;
  }
  if (commonName(proof) !== code.text) return `The subject 'CN=${commonName(proof)}' is not the verification code.`;
  if (!isValidAt(proof, state.now())) return 'The verification certificate is not within its validity period.';
  return null;
}
