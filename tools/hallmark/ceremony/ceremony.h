// One ceremony as its YAML asks for it: who takes part, which key is generated or used, what is signed, what is read
// and written. Strict, as base/yaml.h reads it; docs/ceremonies.md explains every field. Nothing here touches a file or
// a token.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hsm/signer.h"
#include "policies/profile.h"
#include "store/records.h"

namespace hallmark::ceremony {

enum class Type { kRoot, kIntermediate, kSignIntermediate, kCrossSign, kRootCrl, kRotateKey };
const char* Name(Type type);  // "root", "sign-intermediate"...
StatusOr<Type> ParseType(const std::string& name);

struct Participant {
  std::string name;
  std::string role;
  bool approve = false;     // has to type the plan's code
  std::string certificate;  // file, of the key that has to sign the transcript; may be empty
};

// The token, as hallmark.yaml names it.
struct Hsm {
  std::string module;
  std::string token;  // RFC 7512; a relative pin-source lies beside the ceremony's file
  std::map<std::string, std::string> environment;
};

// A key to be generated.
struct NewKey {
  std::string label;
  KeyType type = KeyType::kEcP256;
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEcdsaSha256;
};

// A key that is on the token.
struct SigningKeyName {
  std::string label;
  std::string uri;                              // instead of the label
  std::optional<SignatureAlgorithm> algorithm;  // absent: DefaultAlgorithm of its type
};

struct CertificateWish {
  std::string profile;
  std::string policies;  // directory with PROFILE.yaml; empty: the profiles that ship with Hallmark
  Subject subject;       // only of what names itself: a root, an intermediate's CSR
  std::optional<Time> not_before;
  std::optional<Duration> lifetime;
  std::string crl_url;
  std::string aia_url;
  std::string ocsp_url;
};

struct CrlEntryWish {
  std::string certificate;  // file, or
  Bytes serial;
  Time revoked;
  RevocationReason reason = RevocationReason::kUnspecified;
};

struct CrlWish {
  uint64_t number = 0;
  Duration lifetime;  // next_update - this_update
  std::vector<CrlEntryWish> entries;
};

struct Ceremony {
  std::string file;  // as named on the command line
  std::string text;  // what is in it
  Type type = Type::kRoot;
  std::string title;
  std::vector<Participant> participants;
  Hsm hsm;
  std::optional<NewKey> key;
  std::optional<SigningKeyName> signing_key;
  std::optional<CertificateWish> certificate;
  std::optional<CrlWish> crl;
  // Name of a field under inputs: or outputs: and its path, as written; without the transcript.
  std::map<std::string, std::string> inputs;
  std::map<std::string, std::string> outputs;
  std::string transcript;
  std::string previous_transcript;  // may be empty

  // A root's key is rotated with link certificates, an intermediate's with a CSR.
  bool rotates_root() const { return type == Type::kRotateKey && signing_key.has_value(); }
  // Of a path as written, which is relative to the ceremony's file.
  std::filesystem::path Resolve(const std::string& path) const;
};

// kInvalidArgument (CONFIGURATION_INVALID) with file, line and field.
StatusOr<Ceremony> ParseCeremony(const std::string& file, const std::string& text);
StatusOr<Ceremony> ReadCeremony(const std::filesystem::path& file);

}  // namespace hallmark::ceremony
