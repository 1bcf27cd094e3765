// What a station asks for: a CSR with what the line knows of its device, as a request that is the same each time.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark::cli::station {

// What holds for all the requests of a run.
struct Terms {
  std::string parent;   // "authorities/devices"
  std::string profile;  // "device-dps"
  std::string lot;      // "lots/a-17", or empty
  bool serial_from_name = false;
};

// What a list says of one device; empty is unsaid.
struct Attributes {
  std::string serial;
  std::string endorsement_key;  // SubjectPublicKeyInfo, DER
  std::string reissue_reason;
};
using List = std::map<std::string, Attributes>;  // by the file's name as the list has it

// Reads a list (CSV, RFC 4180): a header line with `file` and any of `serial`, `endorsement_key_file` and
// `reissue_reason`, then a line for each device. Files of keys, PEM or DER, are relative to the list. At most 64 MiB.
// kInvalidArgument (COMMAND_LINE_INVALID) with the line at fault, or what ReadFile says.
StatusOr<List> ReadList(const std::filesystem::path& path);

// The request for the CSR (DER, or what shall pass for it) of the device that NAME stands for. Its request id is a
// digest of all that is asked, the one that `hallmark certificate issue` has for the same; a further `attempt` has
// another.
v1::IssueCertificateRequest MakeRequest(const Terms& terms, const std::string& name, const std::string& csr,
                                        const Attributes& attributes);
std::string RequestIdOf(const v1::IssueCertificateRequest& request, int64_t attempt);

}  // namespace hallmark::cli::station
