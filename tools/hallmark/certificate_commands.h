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
  std::string profile;
  std::string subject;
  std::string caller;
  bool revoked = false;
};
std::string ListFilter(const ListTerms& terms);

}  // namespace hallmark::cli
