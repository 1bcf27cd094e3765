// What a ceremony reads: the files, and what they say once examined. A transcript keeps the files' content, so that the
// same examination is repeated when it is verified.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ca/csr.h"
#include "ca/offline.h"
#include "tools/hallmark/ceremony/ceremony.h"

namespace hallmark::ceremony {

struct Input {
  std::string file;     // as the ceremony's file has it; "shipped: ..." for a profile of Hallmark's own
  std::string content;  // PEM, DER, or a profile's YAML
};
// Of the previous transcript, the content is its SHA-256 in hexadecimal, not the whole chain of transcripts.
inline constexpr char kPreviousTranscript[] = "previous_transcript";
inline constexpr size_t kTranscriptLimit = size_t{4} << 20;  // octets
// By its place: "csr", "issuer_certificate", "profile", "crl.entries[0]", "participants[1]", kPreviousTranscript.
using Inputs = std::map<std::string, Input>;

// Reads all files that the ceremony names. Errors as ReadFile.
StatusOr<Inputs> LoadInputs(const Ceremony& ceremony);

// The DER in an input that is one PEM block of `label`, or DER. kInvalidArgument (REQUEST_INVALID) names the file.
StatusOr<Bytes> InputDer(const Input& input, std::string_view label);

// What the inputs say. Absent: the ceremony has none.
struct Material {
  std::shared_ptr<const Profile> profile;
  std::optional<AuthorityCertificate> issuer;       // whose key signs
  std::optional<AuthorityCertificate> certificate;  // that is certified again, or whose key is rotated
  std::optional<Csr> csr;
  std::vector<RevokedCertificate> revoked;  // of the list to be made, in ascending order of serial numbers
  std::optional<uint64_t> previous_number;
  std::optional<Time> previous_this_update;
  std::map<std::string, Bytes> participants;  // name, certificate in DER
};

// Examines the inputs: each well-formed, the request signed with its key, the previous list signed by its issuer with a
// smaller number and all of its entries kept, each revoked certificate issued by that issuer, names and key identifiers
// such as can be certified again. kInvalidArgument or kFailedPrecondition that names the file.
StatusOr<Material> Examine(const Ceremony& ceremony, const Inputs& inputs);

// The algorithm that the issuer's key signs with.
SignatureAlgorithm SigningAlgorithm(const Ceremony& ceremony, const Material& material);

}  // namespace hallmark::ceremony
