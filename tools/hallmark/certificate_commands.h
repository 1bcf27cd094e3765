// The commands under `hallmark certificate`, one file each.
#pragma once

#include "tools/hallmark/names.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddIssue(CLI::App& group, Session& session);
void AddShow(CLI::App& group, Session& session);
void AddList(CLI::App& group, Session& session);
void AddRevoke(CLI::App& group, Session& session);
void AddHoldAndRelease(CLI::App& group, Session& session);

// The service's record of what a command line names. kNotFound (CERTIFICATE_UNKNOWN) also when it was named by a file
// and the authority has another certificate of that serial number.
StatusOr<v1::Certificate> Fetch(Client& client, const CertificateReference& reference);

// What ListCertificates takes: the terms that are not empty, joined. A subject without "=" is a common name.
struct ListTerms {
  std::string profile = "";
  std::string subject = "";
  std::string caller = "";
  std::string lot = "";
  std::string device = "";
  std::string spki = "";  // SHA-256 in hexadecimal
  std::string issued_from = "";
  std::string issued_before = "";
  bool revoked = false;
};
std::string ListFilter(const ListTerms& terms);
// Adds an option for each term but `spki` and `revoked`.
void AddTerms(CLI::App& command, ListTerms& terms);

}  // namespace hallmark::cli
