// What a certificate's octets say, decoded: for people, for programs without ASN.1, and for comparing two of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "policies/profile.h"

namespace hallmark {

struct Description {
  Subject subject;
  Subject issuer;
  Time not_before;
  Time not_after;        // inclusive
  std::string key_type;  // as profiles spell it; of a key that none of them knows its algorithm, an OID
  std::vector<GeneralName> subject_alt_names;
  std::vector<KeyUsage> key_usage;
  std::vector<std::string> extended_key_usage;  // "clientAuth", or a dotted OID that has no name
  bool ca = false;
  std::optional<int64_t> path_length;
  Bytes subject_key_identifier;
  Bytes authority_key_identifier;
  std::vector<std::string> crl_distribution_points;  // URIs
  std::vector<std::string> ca_issuers;
  std::vector<std::string> ocsp;
  std::vector<CertificatePolicy> certificate_policies;
  std::vector<std::string> permitted_subtrees;  // "dns:example.com", "directory:O=Example", "ip:10.0.0.0/8"
  std::vector<std::string> excluded_subtrees;
  // Those that have no field above, and those that say what such a field cannot hold.
  std::vector<RequestedExtension> other_extensions;
};

// Reads a certificate or a draft of one. kInvalidArgument as ReadCertificate.
StatusOr<Description> Describe(ByteView certificate);

}  // namespace hallmark
