// What an instance signed, by the account of its database and by that of its signature journal.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "ca/der.h"
#include "store/store.h"
#include "tests/service.h"

namespace hallmark::testing {

// The to-be-signed part of any signed object.
inline Bytes TbsOf(ByteView der) {
  return ToBytes(der::Reader(der::ReadWhole(der, der::kSequence).value()).Next().value().whole);
}

inline std::vector<CertificateRecord> AllCertificates(Store& store) {
  std::vector<CertificateRecord> all;
  std::string token;
  do {
    auto page = store.ListCertificates({}, 1000, token).value();
    all.insert(all.end(), page.items.begin(), page.items.end());
    token = page.next_page_token;
  } while (!token.empty());
  return all;
}

// The digests in the signature journal.
inline std::vector<std::string> Journal(const Service& service) {
  std::vector<std::string> digests;
  std::ifstream file(service.ca() / "signatures.log");
  for (std::string line; std::getline(file, line);) digests.push_back(line.substr(line.rfind(' ') + 1));
  return digests;
}

// Everything that the database knows was to be signed: certificates and all lists, signed or only intended, of which it
// keeps the digests.
inline std::set<std::string> OnRecord(const Service& service, Store& store) {
  std::set<std::string> digests;
  for (const CertificateRecord& record : AllCertificates(store)) digests.insert(Hex(Sha256(TbsOf(record.certificate))));
  std::istringstream lists(
      RunCommand(fmt::format("sqlite3 {}/hallmark.db 'SELECT lower(hex(tbs_sha256)) FROM crls'", service.ca().string()))
          .output);
  for (std::string line; std::getline(lists, line);) digests.insert(line);
  return digests;
}

// Nothing was signed that is not on record, and no certificate is on record that was not signed. The service is
// stopped.
inline void ExpectJournalAndRecordsAgree(const Service& service, Store& store) {
  const std::set<std::string> known = OnRecord(service, store);
  const std::vector<std::string> journal = Journal(service);
  for (const std::string& digest : journal) {
    EXPECT_TRUE(known.contains(digest)) << digest << " was signed and is not on record";
  }
  const std::set<std::string> made(journal.begin(), journal.end());
  for (const CertificateRecord& record : AllCertificates(store)) {
    EXPECT_TRUE(made.contains(Hex(Sha256(TbsOf(record.certificate))))) << "recorded without a line in the journal";
  }
}

}  // namespace hallmark::testing
