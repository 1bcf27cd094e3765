// The transcript of a ceremony: what was asked, by whom, what was made, with which keys. One JSON document in canonical
// form (plan.h) that holds all that its verification needs; docs/ceremonies.md describes it for auditors.
#pragma once

#include <string>
#include <vector>

#include "ca/draft.h"
#include "hsm/key.h"
#include "tools/hallmark/ceremony/plan.h"

namespace hallmark::ceremony {

// What the signatures are over, with the SHA-256 of the canonical form without `signatures` (ca/statement.h).
inline constexpr char kTranscriptDomain[] = "Hallmark ceremony transcript v1";

struct Approval {
  std::string participant;
  std::string method;  // "typed" at the terminal, or "given" on the command line
  Time time;
};

struct KeyRecord {
  std::string name;  // of a Signatory
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEcdsaSha256;
  KeyAttributes attributes;  // as the token read them back
  Bytes public_key;          // SubjectPublicKeyInfo
};

struct OutputRecord {
  std::string name;
  Kind kind = Kind::kCertificate;
  std::string file;
  Bytes der;
};

// What was going to be signed when a ceremony was interrupted.
struct DraftRecord {
  std::string output;
  Bytes draft;
};

struct TranscriptSignature {
  std::string by;     // a Signatory's name, or a participant's
  Bytes certificate;  // of a participant's key; empty for a key of the ceremony
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEcdsaSha256;
  Bytes signature;
};

struct Transcript {
  std::string tool_version;
  std::string host;
  Time began;
  Time ended;
  Time moment;  // that validities and lists count from
  std::string file;
  std::string text;  // of the ceremony's file
  Json plan;
  std::vector<Approval> approvals;
  Json hsm = Json::object();  // module and token, as they describe themselves
  std::vector<KeyRecord> keys;
  Inputs inputs;
  std::vector<DraftRecord> drafts;  // of an interrupted ceremony only
  std::vector<OutputRecord> outputs;
  std::string failure;  // why it was interrupted; empty: it is complete
  std::vector<TranscriptSignature> signatures;
};

// The file of an output: PEM, or DER for the extensions .der, .cer, .crl (RFC 2585 3) and .p10.
Bytes OutputOctets(const OutputRecord& output);

StatusOr<std::string> WriteTranscript(const Transcript& transcript);

// Reads a transcript. Strict: kInvalidArgument (TRANSCRIPT_INVALID) past kTranscriptLimit, for what is no transcript of
// version 1, and with the place of the first difference for anything that is not as WriteTranscript would have it.
StatusOr<Transcript> ReadTranscript(const std::string& text);

// The octets that SHA-256 is taken of for the signatures.
StatusOr<std::string> SignedContent(const Transcript& transcript);

// Signs with a key of the ceremony, or of a participant, and adds the signature.
Status SignTranscript(const SigningKey& key, const std::string& by, ByteView certificate, Transcript& transcript);

}  // namespace hallmark::ceremony
