// What a profile grants, read a second time: from its YAML and from OpenSSL's view of the request, with nothing of
// policies/ and of ca/. It composes the certificate that it expects with OpenSSL, and compares octet for octet, so that
// no octet of a request is in a certificate that the profile did not let in.
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/openssl.h"

namespace hallmark::testing {

// Who issues, when, and what is known beside the request.
struct Circumstances {
  Bytes issuer;                 // Name, DER; empty: self-signed
  Bytes issuer_key_identifier;  // the same
  std::string crl_url;
  std::string aia_url;
  std::string ocsp_url;
  int64_t now = 0;  // seconds since 1970, as the next two
  int64_t issuer_not_before = 0;
  int64_t issuer_not_after = 0;
  std::map<std::string, std::string> sources;  // "caller.uri", "device.serial"...
};

class ProfileReading {
 public:
  // Throws std::runtime_error for a field that it does not know: who teaches profiles something new teaches it here,
  // too.
  ProfileReading(const std::string& yaml, const std::string& realm);

  bool is_ca() const { return static_cast<bool>(profile_["ca"]); }
  bool is_self_signed() const { return profile_["self_signed"].as<bool>(false); }
  int path_length() const { return is_ca() ? profile_["ca"]["path_length"].as<int>(8) : -1; }

  // What a certificate, signed with ECDSA and SHA-256 or not signed yet, has that was not granted or lacks that was,
  // or what it was granted against the profile; empty: nothing.
  std::string Fault(X509_REQ* request, ByteView certificate, const Circumstances& circumstances) const;

 private:
  YAML::Node profile_;
  std::string realm_;
};

}  // namespace hallmark::testing
