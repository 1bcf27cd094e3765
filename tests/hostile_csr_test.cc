// What a certificate authority has to refuse: hundreds of certification requests, each wrong in one place, through the
// whole line of an issuance. Nothing of what is refused reaches the store or a key.
#include "tests/hostile_csrs/hostile_csr.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "tests/house.h"
#include "tests/places.h"
#include "tests/profile_reading.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::HostileCsr;
using testing::House;
using testing::IsOk;

// gRPC gives a client 8 KiB of trailers, where message, fields and all escape sequences have to find room.
constexpr size_t kAnswerLimit = 4096;

std::string FieldsOf(const Status& status) {
  std::string fields;
  for (const FieldViolation& violation : Fields(status)) {
    fields += (fields.empty() ? "" : ", ") + violation.field;
  }
  return fields;
}

size_t SizeOf(const Status& status) {
  size_t size = Message(status).size();
  for (const FieldViolation& violation : Fields(status)) size += violation.field.size() + violation.description.size();
  return size;
}

// All rows, with the table that each is of.
using Table = std::vector<HostileCsr> (*)();
const std::vector<std::pair<const char*, Table>>& Tables() {
  static const auto& tables = *new std::vector<std::pair<const char*, Table>>{
      {"Encodings", testing::HostileEncodings},   {"Pem", testing::HostilePem},
      {"Names", testing::HostileNames},           {"Subjects", testing::HostileSubjects},
      {"Attributes", testing::HostileAttributes}, {"Extensions", testing::HostileExtensions},
      {"AltNames", testing::HostileAltNames},     {"Keys", testing::HostileKeys},
      {"Signatures", testing::HostileSignatures}};
  return tables;
}

std::string NextId() {
  static int count = 0;
  return fmt::format("r{}", ++count);
}

Request RequestFor(const House& house, const std::string& profile, const Bytes& csr, const std::string& id) {
  const auto issues = [&](const char* authority) { return house.issuer(authority).FindTemplate(profile) != nullptr; };
  return {.request_id = id,
          .authority = issues("devices")  ? "devices"
                       : issues("access") ? "access"
                                          : "root",
          .profile = profile,
          .csr = csr,
          .lifetime = std::nullopt};
}

// What an issuance leaves behind.
struct Traces {
  explicit Traces(House& house)
      : signatures(house.signatures),
        mutations(house.store_fault.mutations),
        leaves(house.store().GetLedgerHead().value().size) {}
  int signatures;
  int mutations;
  uint64_t leaves;
  bool operator==(const Traces&) const = default;
};

// What the second reading of a profile has to know.
testing::Circumstances CircumstancesOf(House& house, const std::string& authority) {
  const Bytes& der = house.issuer(authority).record().certificate;
  const CertificateParts parts = ReadCertificate(der).value();
  const Extension* identifier = FindExtension(parts.extensions, oid::kSubjectKeyIdentifier);
  return {.issuer = ToBytes(parts.subject),
          .issuer_key_identifier = ToBytes(ReadSubjectKeyIdentifier(identifier->value).value()),
          .crl_url = "http://ca.example/crl/" + authority + ".crl",
          .aia_url = "http://ca.example/aia/" + authority + ".cer",
          .ocsp_url = "http://ca.example/ocsp",
          .now = absl::ToUnixSeconds(house.clock.now),
          .issuer_not_before = absl::ToUnixSeconds(parts.not_before),
          .issuer_not_after = absl::ToUnixSeconds(parts.not_after),
          .sources = {}};
}

ssl::CertificateRequest OpensslRequest(const Bytes& csr) {
  const ssl::Bio bio(BIO_new_mem_buf(csr.data(), static_cast<int>(csr.size())));
  return ssl::CertificateRequest(csr[0] == der::kSequence
                                     ? d2i_X509_REQ_bio(bio.get(), nullptr)
                                     : PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

void ExpectRefusal(House& house, const HostileCsr& row, const std::string& profile) {
  const Traces before(house);
  const StatusOr<Issued> issued = house.Issue(RequestFor(house, profile, row.csr, NextId()), "operator");
  EXPECT_THAT(issued.status(), Fails(Code::kInvalidArgument, row.reason));
  EXPECT_EQ(FieldsOf(issued.status()), row.fields) << Message(issued.status());
  EXPECT_THAT(Message(issued.status()), HasSubstr(row.says));
  EXPECT_TRUE(IsCleanUtf8(Message(issued.status()))) << "the answer passes on what it refuses";
  EXPECT_LE(SizeOf(issued.status()), kAnswerLimit);
  EXPECT_TRUE(Traces(house) == before) << "something was intended, recorded or signed";
  EXPECT_TRUE(house.store().OpenIntents().value().empty());
}

class HostileCsrTest : public ::testing::TestWithParam<size_t> {
 protected:
  std::vector<HostileCsr> Rows() const { return Tables()[GetParam()].second(); }
  House house_;
};

TEST_P(HostileCsrTest, IsRefusedForItsFlawAndLeavesNoTrace) {
  for (const HostileCsr& row : Rows()) {
    if (row.reason.empty()) continue;
    SCOPED_TRACE(row.name);
    ExpectRefusal(house_, row, row.profile);
  }
}

TEST_P(HostileCsrTest, IsGrantedWhenItOnlyLooksHostile) {
  for (const HostileCsr& row : Rows()) {
    if (!row.reason.empty()) continue;
    SCOPED_TRACE(row.name);
    House house;  // of its own: a key is certified for one name only
    const int before = house.signatures;
    const StatusOr<Issued> issued = house.Issue(RequestFor(house, row.profile, row.csr, NextId()), "operator");
    ASSERT_THAT(issued, IsOk());
    EXPECT_EQ(house.signatures, before + 1);
    const ssl::CertificateRequest openssl = OpensslRequest(row.csr);
    ASSERT_NE(openssl, nullptr);
    const testing::ProfileReading reading(house.profiles().at(row.profile)->text, "test");
    EXPECT_EQ(
        reading.Fault(openssl.get(), issued->record.certificate, CircumstancesOf(house, issued->record.authority)), "");
  }
}

// What a reader refuses, it refuses whatever profile was asked for.
TEST_P(HostileCsrTest, IsRefusedUnderEveryProfileOfEndEntities) {
  for (const auto& [name, profile] : house_.profiles()) {
    const Issuer& issuer = house_.issuer(RequestFor(house_, name, {}, "").authority);
    if (profile->ca || issuer.FindTemplate(name) == nullptr) continue;
    if (name == "report-signer" || name == "station-enrolled") continue;  // nobody may ask by this call
    for (const HostileCsr& row : Rows()) {
      if (!row.reason.starts_with("CSR_") && row.reason != reason::kKeyWeak && row.reason != reason::kKeyUnsupported) {
        continue;
      }
      SCOPED_TRACE(name + ": " + row.name);
      ExpectRefusal(house_, row, name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileCsrTest, ::testing::Range(size_t{0}, Tables().size()),
                         [](const auto& tested) { return Tables()[tested.param].first; });

TEST(HostileCsrTablesTest, SayOfEachRowWhatItShowsAndNameItOnce) {
  std::set<std::string> names;
  for (const auto& [table, make] : Tables()) {
    for (const HostileCsr& row : make()) {
      SCOPED_TRACE(row.name);
      EXPECT_TRUE(names.insert(std::string(table) + ": " + row.name).second);
      EXPECT_EQ(row.reason.empty(), row.fields.empty());
      // One reason stands for many flaws.
      EXPECT_FALSE(row.reason == reason::kCsrMalformed && row.says.empty());
    }
  }
  EXPECT_GE(names.size(), 400u);
}

// The fuzzer of csr_to_certificate starts from there: a profile that grants nothing of it is one that is not fuzzed.
TEST(CsrCorpusTest, HasWhatEachShippedProfileGrants) {
  const House house;
  for (const auto& [name, profile] : house.profiles()) {
    bool granted = false;
    for (const auto& entry :
         std::filesystem::directory_iterator(testing::SourceDirectory() + "/tests/fuzz/corpus/csr")) {
      const std::string octets = ReadFile(entry.path()).value();
      const StatusOr<Csr> csr = ReadCsr(AsBytes(octets));
      granted = granted || (csr.ok() && Decide(profile, csr->facts, house.clock.now, {}).ok());
    }
    // Of a CSR of which only the key counts nothing else reaches the profile.
    Facts of_caller;
    of_caller.caller = House::CallerOf("station");
    granted = granted || Decide(profile, of_caller, house.clock.now, {}).ok();
    EXPECT_TRUE(granted) << name << ": add such a CSR to tests/fuzz/make_corpus";
  }
}

}  // namespace
}  // namespace hallmark
