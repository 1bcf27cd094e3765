// Lint: each rule has a certificate or a list that breaks it and nothing else, and one that passes.
#include "ca/lint.h"

#include <gtest/gtest.h>

#include "ca/crl.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::AnyExtension;
using testing::House;

// A draft whose every part can be replaced.
struct DraftBuilder {
  explicit DraftBuilder(const House& house) {
    const Issuer& issuer = house.issuer("devices");
    algorithm = ToBytes(issuer.lint().algorithm);
    inner_algorithm = algorithm;
    issuer_name = ToBytes(issuer.name());
    subject = EncodeName({{"CN", "device-1"}});
    spki = ToBytes(House::DeviceKey().public_key());
    not_before = der::EncodeTime(house.clock.now);
    not_after = der::EncodeTime(house.clock.now + absl::Hours(1));
    constraints = BasicConstraints(false, std::nullopt);
    usage = KeyUsageExtension({KeyUsage::kDigitalSignature});
    purposes = ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"});
    subject_key = SubjectKeyIdentifier(Bytes(20, 1));
    authority_key = AuthorityKeyIdentifier(issuer.key_identifier());
  }
  Bytes version = der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{2}));
  Bytes serial = der::Unsigned(Bytes(16, 0x41));
  Bytes algorithm, inner_algorithm, issuer_name, subject, spki, not_before, not_after;
  Bytes constraints, usage, purposes, subject_key, authority_key, names, more;

  Bytes Build() const {
    const Bytes extensions = der::Sequence({constraints, usage, purposes, subject_key, authority_key, names, more});
    const Bytes tbs =
        der::Sequence({version, serial, inner_algorithm, issuer_name, der::Sequence({not_before, not_after}), subject,
                       spki, der::Tlv(der::ContextConstructed(3), extensions)});
    return der::Sequence({tbs, algorithm, der::BitString({})});
  }
};

std::string Rules(const std::vector<Finding>& findings) {
  std::string rules;
  for (const Finding& finding : findings) rules += (rules.empty() ? "" : " ") + finding.rule;
  return rules;
}

TEST(LintTest, PassesWhatTheHouseComposes) {
  House house;
  EXPECT_EQ(Rules(LintCertificate(DraftBuilder(house).Build(), house.issuer("devices").lint())), "");
  EXPECT_TRUE(Verdict({}).ok());
}

struct Broken {
  std::function<void(DraftBuilder&, const House&)> change;
  const char* rules;
};

TEST(LintTest, FindsEachBrokenRule) {
  using D = DraftBuilder;
  const Bytes one = der::Tlv(der::ContextPrimitive(2), AsBytes("a.example"));
  const std::vector<Broken> cases = {
      {[](D& d, const House&) {
         d.serial = {0x02, 0x01, 0x00};
       },
       "rfc5280_4_1_2_2_serial_number hallmark_serial_entropy"},
      {[](D& d, const House&) { d.serial = {0x02, 0x09, 0x80, 1, 1, 1, 1, 1, 1, 1, 1}; },
       "rfc5280_4_1_2_2_serial_number hallmark_serial_entropy"},
      {[](D& d, const House&) { d.serial = der::Unsigned(Bytes(21, 0x41)); }, "rfc5280_4_1_2_2_serial_number"},
      {[](D& d, const House&) { d.serial = der::Unsigned(uint64_t{12345}); }, "hallmark_serial_entropy"},
      {[](D& d, const House&) { d.inner_algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384)); },
       "rfc5280_4_1_1_2_signature_algorithm"},
      {[](D& d, const House&) {
         d.inner_algorithm = d.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384));
       },
       "hallmark_issuer_algorithm"},
      {[](D& d, const House&) { d.not_before = der::Tlv(der::kGeneralizedTime, AsBytes("20261124000000Z")); },
       "rfc5280_4_1_2_5_time_form"},
      {[](D& d, const House& h) { d.not_after = der::EncodeTime(h.clock.now - absl::Hours(1)); },
       "rfc5280_4_1_2_5_validity"},
      {[](D& d, const House& h) { d.not_after = der::EncodeTime(h.issuer("devices").not_after() + absl::Seconds(1)); },
       "hallmark_validity_within_issuer"},
      {[](D& d, const House& h) { d.issuer_name = ToBytes(h.issuer("root").name()); }, "rfc5280_4_1_2_4_issuer"},
      {[](D& d, const House& h) { d.subject = ToBytes(h.issuer("devices").name()); }, "rfc5280_3_2_self_issued"},
      {[](D& d, const House&) { d.subject = der::Sequence({}); }, "rfc5280_4_1_2_6_subject"},
      {[](D& d, const House&) {
         d.subject = EncodeName({{"CN", std::string(65, 'a')}});
       },
       "rfc5280_a_1_upper_bound"},
      {[](D& d, const House&) {
         d.subject = EncodeName({{"C", "AUT"}, {"CN", "a"}});
       },
       "rfc5280_a_1_upper_bound"},
      {[](D& d, const House&) {
         d.spki = der::Sequence({der::Sequence({der::Oid("1.3.101.112")}), der::BitString(Bytes(32, 1))});
       },
       "rfc5280_4_1_2_7_public_key"},
      {[](D& d, const House&) {
         d.more = AnyExtension("1.2.3.4", Bytes{5, 0});
       },
       "hallmark_known_extension"},
      {[](D& d, const House&) { d.usage = AnyExtension(oid::kKeyUsage, der::NamedBitString(1)); },
       "rfc5280_4_2_criticality"},
      {[&](D& d, const House&) { d.names = SubjectAltName(der::Sequence({one}), true); }, "rfc5280_4_2_criticality"},
      {[](D& d, const House&) { d.usage.clear(); }, "rfc5280_4_2_1_3_key_usage"},
      {[](D& d, const House&) { d.constraints.clear(); }, "rfc5280_4_2_1_9_basic_constraints"},
      {[](D& d, const House&) {
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyCertSign});
       },
       "rfc5280_4_2_1_9_key_cert_sign"},
      {[](D& d, const House&) {
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kCrlSign});
       },
       "rfc5280_4_2_1_3_crl_sign"},
      {[](D& d, const House&) {
         d.constraints = BasicConstraints(true, 0);
         d.usage = KeyUsageExtension({KeyUsage::kKeyCertSign});
       },
       "rfc5280_4_2_1_9_path_length"},
      {[](D& d, const House&) { d.subject_key.clear(); }, "rfc5280_4_2_1_2_subject_key_identifier"},
      {[](D& d, const House&) { d.authority_key = AuthorityKeyIdentifier(Bytes(20, 1)); },
       "rfc5280_4_2_1_1_authority_key_identifier"},
      {[](D& d, const House&) { d.authority_key.clear(); }, "rfc5280_4_2_1_1_authority_key_identifier"},
      {[](D& d, const House&) { d.purposes = AnyExtension(oid::kExtendedKeyUsage, der::Sequence({})); },
       "rfc5280_4_2_1_12_extended_key_usage"},
      {[](D& d, const House&) { d.names = AnyExtension(oid::kSubjectAltName, der::Sequence({})); },
       "rfc5280_4_2_1_6_subject_alt_name"},
      {[](D& d, const House&) { d.version = der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{1})); },
       "x690_der"},
      {[](D& d, const House&) { d.more = d.constraints; }, "x690_der"},
      {[](D& d, const House&) { d.not_before = der::Tlv(der::kUtcTime, AsBytes("260230000000Z")); }, "x690_der"},
  };
  House house;
  for (size_t i = 0; i < cases.size(); ++i) {
    DraftBuilder draft(house);
    cases[i].change(draft, house);
    const std::vector<Finding> findings = LintCertificate(draft.Build(), house.issuer("devices").lint());
    EXPECT_EQ(Rules(findings), cases[i].rules) << "case " << i;
    EXPECT_THAT(Verdict(findings), testing::Fails(Code::kFailedPrecondition, "LINT_FAILED"));
    for (const Finding& finding : findings)
      EXPECT_FALSE(finding.citation.empty() || finding.message.empty()) << finding.rule;
  }
}

TEST(LintTest, FindsEachBrokenRuleOfACrl) {
  House house;
  const Issuer& issuer = house.issuer("devices");
  const Bytes algorithm = ToBytes(issuer.lint().algorithm);
  struct Parts {
    Bytes inner, name, this_update, next_update, revoked, extensions;
  };
  const Parts good{algorithm,
                   ToBytes(issuer.name()),
                   der::EncodeTime(house.clock.now),
                   der::EncodeTime(house.clock.now + absl::Hours(1)),
                   {},
                   der::Sequence({AuthorityKeyIdentifier(issuer.key_identifier()), CrlNumber(7)})};
  const auto build = [&](const Parts& p) {
    const Bytes tbs = der::Sequence({der::Unsigned(uint64_t{1}), p.inner, p.name, p.this_update, p.next_update,
                                     p.revoked, der::Tlv(der::ContextConstructed(0), p.extensions)});
    return der::Sequence({tbs, algorithm, der::BitString({})});
  };
  EXPECT_EQ(Rules(LintCrl(build(good), issuer.lint())), "");
  CrlEntries twice;
  twice.Add({Bytes(16, 0x41), house.clock.now, RevocationReason::kSuperseded});
  twice.Add({Bytes(16, 0x41), house.clock.now, RevocationReason::kSuperseded});
  const std::vector<std::pair<std::function<void(Parts&)>, const char*>> cases = {
      {[](Parts& p) { p.inner = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384)); },
       "rfc5280_5_1_1_2_signature_algorithm"},
      {[&](Parts& p) { p.name = ToBytes(house.issuer("root").name()); }, "rfc5280_5_1_2_3_issuer"},
      {[](Parts& p) { p.next_update = p.this_update; }, "rfc5280_5_1_2_5_next_update"},
      {[&](Parts& p) { p.extensions = der::Sequence({AuthorityKeyIdentifier(issuer.key_identifier())}); },
       "rfc5280_5_2_3_crl_number"},
      {[&](Parts& p) { p.extensions = der::Sequence({CrlNumber(7)}); }, "rfc5280_5_2_1_authority_key_identifier"},
      {[](Parts& p) { p.revoked = der::Sequence({}); }, "rfc5280_5_1_2_6_revoked_certificates"},
      {[&](Parts& p) { p.revoked = der::Tlv(der::kSequence, twice.der()); }, "rfc5280_5_1_2_6_revoked_certificates"},
      {[](Parts& p) { p.this_update = der::Tlv(der::kUtcTime, AsBytes("2611240000Z")); }, "x690_der"},
  };
  for (const auto& [change, rules] : cases) {
    Parts parts = good;
    change(parts);
    EXPECT_EQ(Rules(LintCrl(build(parts), issuer.lint())), rules);
  }
}

}  // namespace
}  // namespace hallmark
