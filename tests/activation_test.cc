// An authority whose certificate is made elsewhere: the CSR that goes out, what may come back and what is refused, and
// how outside judges see what it then issues.
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/reason.h"
#include "ca/chain.h"
#include "tests/certificate_builder.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::AnyExtension;
using testing::CertificateBuilder;
using ::testing::Contains;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using testing::RunCommand;
using testing::SoftwareSigner;

constexpr Time kNoDeadline = absl::InfiniteFuture();

NewAuthority External(const std::string& name) {
  NewAuthority asked;
  asked.request_id = "create:" + name;
  asked.authority = name;
  asked.profile = "issuing-authority";
  asked.subject = {{"O", "Test"}, {"CN", "Plant C"}};
  asked.profiles = {"device-dps"};
  return asked;
}

Bytes Join(std::initializer_list<Bytes> certificates) {
  Bytes all;
  for (const Bytes& certificate : certificates) Append(all, certificate);
  return all;
}

Bytes Pem(std::initializer_list<Bytes> certificates) {
  std::string text;
  for (const Bytes& certificate : certificates) text += PemEncode("CERTIFICATE", certificate);
  return ToBytes(AsBytes(text));
}

class ActivationTest : public ::testing::Test {
 protected:
  void SetUp() override { awaiting_ = house_.lifecycle().Create(operator_, External("plant-c"), kNoDeadline).value(); }

  Bytes Spki() {
    const Bytes csr = house_.lifecycle().FetchCsr(operator_, "plant-c", kNoDeadline).value();
    return ToBytes(ReadCsr(csr).value().key.spki());
  }
  CertificateBuilder Own() { return {root_key_, Spki(), awaiting_.subject, house_.clock.Now()}; }
  Bytes Root() { return CertificateBuilder::Root(root_key_, house_.clock.Now()).Build(); }
  StatusOr<AuthorityRecord> Activate(ByteView certificates) {
    return house_.lifecycle().Activate(operator_, "plant-c", certificates, false);
  }
  Request DeviceOf(const std::string& request_id) {
    Request request = house_.DeviceRequest(request_id, request_id);
    request.authority = "plant-c";
    request.lifetime = absl::Hours(24);
    return request;
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (house_.directory() / name).string();
    EXPECT_THAT(WriteFile(path, AsBytes(text)), IsOk());
    return path;
  }
  std::string Verify(const Bytes& root, const Issued& issued, const std::string& option = "-x509_strict") {
    std::string chain;
    for (const Bytes& certificate : issued.issuer->chain()) chain += PemEncode("CERTIFICATE", certificate);
    return RunCommand("openssl verify " + option + " -CAfile " + Write("root.pem", PemEncode("CERTIFICATE", root)) +
                      " -untrusted " + Write("chain.pem", chain) + " " +
                      Write("device.pem", PemEncode("CERTIFICATE", issued.record.certificate)))
        .output;
  }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
  const SoftwareSigner root_key_{SignatureAlgorithm::kEcdsaSha256};
  AuthorityRecord awaiting_;
};

TEST_F(ActivationTest, WhoAwaitsItIssuesNothingAndSaysWhatToDo) {
  EXPECT_EQ(awaiting_.state, AuthorityState::kAwaitingActivation);
  EXPECT_TRUE(awaiting_.certificate.empty());
  EXPECT_EQ(awaiting_.key_uris.size(), 1u);
  EXPECT_THAT(house_.Issue(DeviceOf("too-early"), "operator"),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(house_.lifecycle().SetState(operator_, "plant-c", AuthorityState::kEnabled, false, 0),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  // Nor does it keep the others from anything.
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("others")), IsOk());
  house_.Reopen();
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("others-2")), IsOk());
}

TEST_F(ActivationTest, ItsCsrIsOneThatOpensslReads) {
  const Bytes csr = house_.lifecycle().FetchCsr(operator_, "plant-c", kNoDeadline).value();
  const std::string file = Write("plant-c.csr", PemEncode("CERTIFICATE REQUEST", csr));
  const std::string shown = RunCommand("openssl req -verify -noout -subject -in " + file).output;
  EXPECT_THAT(shown, HasSubstr("verify OK"));
  EXPECT_THAT(shown, HasSubstr("subject=O = Test, CN = Plant C"));
}

TEST_F(ActivationTest, EveryFormAndOrderOfAGoodChainIsTaken) {
  const Bytes own = Own().Build();
  const Bytes root = Root();
  struct Case {
    const char* name;
    Bytes certificates;
  };
  const std::vector<Case> cases = {
      {"DER", Join({own, root})},
      {"DER, the root first", Join({root, own})},
      {"PEM", Pem({own, root})},
      {"PEM, the root first", Pem({root, own})},
      {"PKCS#7", EncodeCertsOnly({root, own})},
      {"PKCS#7 in PEM", ToBytes(AsBytes(PemEncode("PKCS7", EncodeCertsOnly({own, root}))))},
  };
  for (const Case& c : cases) {
    const auto activated = house_.lifecycle().Activate(operator_, "plant-c", c.certificates, true);
    ASSERT_THAT(activated, IsOk()) << c.name;
    EXPECT_EQ(activated->certificate, own) << c.name;
    EXPECT_EQ(activated->external_chain, std::vector<Bytes>{root}) << c.name;
    EXPECT_EQ(activated->state, AuthorityState::kStaged) << c.name;
  }
  EXPECT_EQ(house_.store().GetAuthority("plant-c")->state, AuthorityState::kAwaitingActivation) << "validate_only";
}

TEST_F(ActivationTest, OnceActivatedItIssuesWhatOpensslVerifiesUpToTheForeignRoot) {
  const Bytes root = Root();
  ASSERT_THAT(Activate(Pem({Own().Build(), root})), IsOk());
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  ASSERT_THAT(Activate(Join({house_.store().GetAuthority("plant-c")->certificate, root})), IsOk()) << "repeated";
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves);
  house_.Reopen();
  const auto issued = house_.Issue(DeviceOf("device-c"), "operator");
  ASSERT_THAT(issued, IsOk());
  EXPECT_EQ(issued->issuer->chain().size(), 2u);
  EXPECT_THAT(Verify(root, *issued), HasSubstr("device.pem: OK"));
  const CrlRecord crl = house_.authority().GenerateCrl(*issued->issuer, kNoDeadline).value();
  EXPECT_THAT(RunCommand("openssl crl -inform DER -noout -CAfile " +
                         Write("own.pem", PemEncode("CERTIFICATE", issued->issuer->chain()[0])) + " -in " +
                         Write("crl.der", ToString(crl.crl)))
                  .output,
              HasSubstr("verify OK"));
}

TEST_F(ActivationTest, WhatOpensslCaMakesIsTaken) {
  const std::string directory = house_.directory().path().string();
  const Bytes csr = house_.lifecycle().FetchCsr(operator_, "plant-c", kNoDeadline).value();
  Write("plant-c.csr", PemEncode("CERTIFICATE REQUEST", csr));
  Write("extensions",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer:always\n");
  house_.clock.now = absl::Now() + absl::Minutes(1);  // openssl looks at the real clock
  const auto made = RunCommand(
      "cd " + directory +
      " && openssl req -x509 -newkey rsa:3072 -nodes -keyout root.key -out root.pem -days 3650 -subj '/O=Corp/CN=Root' "
      "&& openssl x509 -req -in plant-c.csr -CA root.pem -CAkey root.key -days 3000 -sha384 -extfile extensions "
      "-out plant-c.pem");
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string both = ReadFile(directory + "/plant-c.pem").value() + ReadFile(directory + "/root.pem").value();
  ASSERT_THAT(Activate(AsBytes(both)), IsOk());
  const auto issued = house_.Issue(DeviceOf("device-c"), "operator");
  ASSERT_THAT(issued, IsOk());
  // What openssl req makes has no keyUsage, which only -x509_strict misses.
  EXPECT_THAT(Verify(issued->issuer->chain().back(), *issued, ""), HasSubstr("device.pem: OK"));
}

TEST_F(ActivationTest, EachWrongChainIsRefusedForWhatIsWrong) {
  using Builder = CertificateBuilder;
  const SoftwareSigner other(SignatureAlgorithm::kEcdsaSha256);
  const SoftwareSigner weak(SignatureAlgorithm::kRsaPkcs1Sha256, ssl::EvpKey(EVP_RSA_gen(1024)));
  const Bytes root = Root();
  const auto own = [this](const std::function<void(Builder&)>& change) {
    Builder builder = Own();
    change(builder);
    return builder.Build();
  };
  const auto above = [this](const std::function<void(Builder&)>& change) {
    Builder builder = Builder::Root(root_key_, house_.clock.Now());
    change(builder);
    return builder.Build();
  };
  const auto flipped = [](Bytes octets) {
    octets.back() ^= 1;
    return octets;
  };
  const Bytes good = Own().Build();
  const Time now = house_.clock.Now();
  // A sub-authority of the root between it and the authority.
  const SoftwareSigner middle_key(SignatureAlgorithm::kEcdsaSha384);
  Builder middle(root_key_, middle_key.public_key(), EncodeName({{"CN", "Middle"}}), now);
  middle.basic_constraints = BasicConstraints(true, 1);
  Builder below(middle_key, Spki(), awaiting_.subject, now);
  below.issuer = middle.subject;
  const Bytes sha1 = der::Sequence({der::Oid("1.2.840.10045.4.1")});
  struct Case {
    const char* name;
    Bytes certificates;
    std::string field;
    const char* says = "";
  };
  const std::vector<Case> cases = {
      {"nothing", {}, "certificates", "empty"},
      {"no certificates", ToBytes(AsBytes("hello")), "certificates", "neither DER"},
      {"60 kB", Bytes(60'000, '0'), "certificates", "limit"},
      {"PEM with text around", ToBytes(AsBytes("text\n" + ToString(Pem({good, root})))), "certificates", "neither"},
      {"DER with an octet after", Join({good, root, {0}}), "certificates", "cannot be read"},
      {"a certificate cut short", Bytes(good.begin(), good.end() - 1), "certificates", "cannot be read"},
      {"a sequence that is no certificate", Join({der::Sequence({}), root}), "certificates", "no certificate"},
      {"an empty PKCS#7", EncodeCertsOnly({}), "certificates", "are 0"},
      {"nine certificates", Join({good, root, root, root, root, root, root, root, root}), "certificates", "are 9"},
      {"the root missing", Join({good}), "certificates", "CN=Root"},
      {"the root twice", Join({good, root, root}), "certificates", "not above"},
      {"a stranger beside", Join({good, root, middle.Build()}), "certificates", "CN=Middle"},
      {"another key", Join({own([&](Builder& b) { b.spki = ToBytes(other.public_key()); }), root}), "certificates",
       "authority's key"},
      {"the root alone", Join({root}), "certificates", "authority's key"},
      {"another subject",
       Join({own([](Builder& b) {
               b.subject = EncodeName({{"CN", "Plant D"}});
             }),
             root}),
       "certificates[0].subject", "CN=Plant D"},
      {"an issuer's name in another encoding",
       Join({own([](Builder& b) {
               const std::string name = ToString(b.issuer);
               b.issuer = ToBytes(AsBytes(name));
               b.issuer[b.issuer.size() - 6] = der::kPrintableString;
             }),
             root}),
       "certificates", "CN=Root"},
      {"CA:FALSE", Join({own([](Builder& b) { b.basic_constraints = BasicConstraints(false, std::nullopt); }), root}),
       "certificates[0].basic_constraints", "end entity"},
      {"no basicConstraints", Join({own([](Builder& b) { b.basic_constraints = {}; }), root}),
       "certificates[0].basic_constraints"},
      {"basicConstraints that are not critical",
       Join({own([](Builder& b) {
               const Bytes ca = {0x30, 0x03, 0x01, 0x01, 0xff};
               b.basic_constraints = AnyExtension(oid::kBasicConstraints, ca);
             }),
             root}),
       "certificates[0].basic_constraints", "critical"},
      {"no keyUsage", Join({own([](Builder& b) { b.key_usage = {}; }), root}), "certificates[0].key_usage"},
      {"no keyCertSign", Join({own([](Builder& b) { b.key_usage = KeyUsageExtension({KeyUsage::kCrlSign}); }), root}),
       "certificates[0].key_usage", "keyCertSign"},
      {"no cRLSign", Join({own([](Builder& b) { b.key_usage = KeyUsageExtension({KeyUsage::kKeyCertSign}); }), root}),
       "certificates[0].key_usage", "cRLSign"},
      {"no subjectKeyIdentifier", Join({own([](Builder& b) { b.subject_key_identifier = {}; }), root}),
       "certificates[0].subject_key_identifier"},
      {"no authorityKeyIdentifier", Join({own([](Builder& b) { b.authority_key_identifier = {}; }), root}),
       "certificates[0].authority_key_identifier", "missing"},
      {"another key's authorityKeyIdentifier",
       Join({own([&](Builder& b) { b.authority_key_identifier = AuthorityKeyIdentifier(Bytes(20, 7)); }), root}),
       "certificates[0].authority_key_identifier", "is not the"},
      {"expired",
       Join({own([&](Builder& b) {
               b.not_before = now - absl::Minutes(30);
               b.not_after = now - absl::Minutes(1);
             }),
             root}),
       "certificates[0].validity", "ended"},
      {"not valid yet", Join({own([&](Builder& b) { b.not_before = now + absl::Minutes(1); }), root}),
       "certificates[0].validity", "to come"},
      {"outliving the root", Join({own([](Builder& b) { b.not_after += absl::Hours(2); }), root}),
       "certificates[0].validity", "not within"},
      {"beginning before the root", Join({own([](Builder& b) { b.not_before -= absl::Hours(2); }), root}),
       "certificates[0].validity", "not within"},
      {"a wrong signature", Join({flipped(good), root}), "certificates[0].signature"},
      {"a signature of another key with the root's names", Join({own([&](Builder& b) { b.signer = &other; }), root}),
       "certificates[0].signature"},
      {"SHA-1", Join({own([&](Builder& b) { b.algorithm = b.inner_algorithm = sha1; }), root}),
       "certificates[0].signature_algorithm"},
      {"another algorithm inside",
       Join({own([&](Builder& b) {
               b.inner_algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384));
             }),
             root}),
       "certificates[0].signature_algorithm", "inside"},
      {"an unknown critical extension",
       Join({own([](Builder& b) {
               b.further = AnyExtension("1.2.3.4", Bytes{5, 0}, true);
             }),
             root}),
       "certificates[0].extensions", "1.2.3.4"},
      {"name constraints",
       Join({own([](Builder& b) {
               b.further = AnyExtension("2.5.29.30", Bytes{0x30, 0}, true);
             }),
             root}),
       "certificates[0].extensions", "2.5.29.30"},
      {"an expired root", Join({good, above([&](Builder& b) { b.not_after = now - absl::Minutes(1); })}),
       "certificates[1].validity", "ended"},
      {"a root of pathLenConstraint 0",
       Join({good, above([](Builder& b) { b.basic_constraints = BasicConstraints(true, 0); })}),
       "certificates[1].path_length", "fewer"},
      {"a root of pathLenConstraint 1 with one between", Join({below.Build(), middle.Build(), above([](Builder& b) {
                                                                 b.basic_constraints = BasicConstraints(true, 1);
                                                               })}),
       "certificates[2].path_length", "fewer"},
      {"a root without keyCertSign",
       Join({good, above([](Builder& b) { b.key_usage = KeyUsageExtension({KeyUsage::kCrlSign}); })}),
       "certificates[1].key_usage", "keyCertSign"},
      {"a root that does not verify itself", Join({good, flipped(root)}), "certificates[1].signature", "its own key"},
      {"a root of RSA 1024",
       Join({own([&](Builder& b) {
               b.signer = &weak;
               b.algorithm = b.inner_algorithm = ToBytes(AlgorithmIdentifier(weak.algorithm()));
               b.authority_key_identifier = AuthorityKeyIdentifier(Builder::IdentifierOf(weak.public_key()));
             }),
             Builder::Root(weak, now).Build()}),
       "certificates[1].public_key", "1024"},
  };
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  for (const Case& c : cases) {
    const auto activated = Activate(c.certificates);
    ASSERT_THAT(activated, Fails(Code::kInvalidArgument, reason::kChainInvalid)) << c.name;
    std::string descriptions;
    std::vector<std::string> fields;
    for (const FieldViolation& violation : Fields(activated.status())) {
      fields.push_back(violation.field);
      if (violation.field == c.field) descriptions += violation.description + "\n";
    }
    EXPECT_THAT(fields, Contains(c.field)) << c.name << ": " << activated.status();
    EXPECT_THAT(descriptions, HasSubstr(c.says)) << c.name;
  }
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves);
  EXPECT_EQ(house_.store().GetAuthority("plant-c")->version, 2u) << "as it was given its key";
  // With one between, the right way, it is taken: none of the above was refused for something else.
  EXPECT_THAT(Activate(Join({root, middle.Build(), below.Build()})), IsOk());
}

TEST_F(ActivationTest, ARenewedCertificateReplacesTheOldOneWhichStaysOnRecord) {
  const Bytes root = Root();
  const Bytes first = Own().Build();
  ASSERT_THAT(Activate(Join({first, root})), IsOk());
  ASSERT_THAT(house_.lifecycle().SetState(operator_, "plant-c", AuthorityState::kEnabled, false, 0), IsOk());
  const Issued before = house_.Issue(DeviceOf("before"), "operator").value();
  const CrlRecord first_crl = house_.authority().GenerateCrl(*before.issuer, kNoDeadline).value();

  CertificateBuilder renewed = Own();
  renewed.not_after += absl::Minutes(30);
  const Bytes second = renewed.Build();
  const auto activated = Activate(Join({second, root}));
  ASSERT_THAT(activated, IsOk());
  EXPECT_EQ(activated->state, AuthorityState::kEnabled) << "a renewal does not stage it";
  EXPECT_EQ(activated->earlier_certificates, std::vector<Bytes>{first});
  const Issued after = house_.Issue(DeviceOf("after"), "operator").value();
  EXPECT_EQ(after.issuer->chain().front(), second);
  EXPECT_THAT(Verify(root, after), HasSubstr("OK"));
  // What was issued before verifies under the new certificate, too, and the CRLs are counted on.
  EXPECT_THAT(Verify(root, Issued{before.record, after.issuer}), HasSubstr("OK"));
  EXPECT_EQ(house_.authority().GenerateCrl(*after.issuer, kNoDeadline)->number, first_crl.number + 1);

  CertificateBuilder other_identifier = Own();
  other_identifier.subject_key_identifier = SubjectKeyIdentifier(Bytes(20, 9));
  CertificateBuilder other_encoding = Own();
  other_encoding.subject[other_encoding.subject.size() - 9] = der::kPrintableString;
  for (const auto& [builder, field] : {std::pair(&other_identifier, "certificates[0].subject_key_identifier"),
                                       std::pair(&other_encoding, "certificates[0].subject")}) {
    const auto refused = Activate(Join({builder->Build(), root}));
    ASSERT_THAT(refused, Fails(Code::kInvalidArgument, reason::kChainInvalid));
    EXPECT_EQ(Fields(refused.status()).at(0).field, field);
  }
}

TEST_F(ActivationTest, OneThatAnAuthorityOfOursMadeElsewhereIsLinkedAndCanBeRevoked) {
  // As in a ceremony: signed with the root's key, and not through the service.
  const Issuer& root = house_.issuer("root");
  CertificateBuilder own = Own();
  own.issuer = ToBytes(root.name());
  own.authority_key_identifier = AuthorityKeyIdentifier(root.key_identifier());
  const SoftwareSigner root_key(SignatureAlgorithm::kEcdsaSha256, house_.SoftwareKey("root"));
  own.signer = &root_key;
  own.not_before = root.not_before();
  const auto activated = Activate(own.Build());  // what is above is known
  ASSERT_THAT(activated, IsOk());
  EXPECT_EQ(activated->parent, "root");
  EXPECT_TRUE(activated->external_chain.empty());
  const auto issued = house_.Issue(DeviceOf("device-c"), "operator");
  ASSERT_THAT(issued, IsOk());
  EXPECT_THAT(Verify(house_.issuer("root").record().certificate, *issued), HasSubstr("OK"));

  const Bytes serial = ToBytes(issued->issuer->serial());
  ASSERT_THAT(house_.authority().Revoke(operator_, "root", serial, RevocationReason::kCaCompromise), IsOk());
  EXPECT_THAT(house_.Issue(DeviceOf("device-d"), "operator"),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST_F(ActivationTest, ARootOrOneWithoutAKeyIsNotActivated) {
  EXPECT_THAT(house_.lifecycle().Activate(operator_, "root", Root(), false),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  house_.generate_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "the token is away");
  EXPECT_THAT(house_.lifecycle().Create(operator_, External("plant-d"), kNoDeadline),
              Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_THAT(house_.lifecycle().Activate(operator_, "plant-d", Root(), false),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(house_.lifecycle().FetchCsr(operator_, "plant-d", kNoDeadline),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(house_.lifecycle().Activate(operator_, "nobody", Root(), false),
              Fails(Code::kNotFound, reason::kAuthorityUnknown));
}

TEST(ReadChainTest, CertToolReadsTheBundleAndPythonItsJson) {
  const House house;
  const std::vector<Bytes>& chain = house.issuer("devices").chain();
  const std::string directory = house.directory().path().string();
  ASSERT_THAT(WriteFile(directory + "/chain.p7b", EncodeCertsOnly(chain)), IsOk());
  const std::string listed =
      RunCommand("certtool --p7-info --inder --infile " + directory + "/chain.p7b 2>/dev/null | grep -c 'BEGIN CERT'")
          .output;
  EXPECT_EQ(listed, "2\n");
  const std::string bundle =
      ChainBundle({{chain[0], "devices", "http://ca.example/crl/devices.crl", "aia"}, {chain[1], "", "", ""}}).value();
  ASSERT_THAT(WriteFile(directory + "/bundle.json", AsBytes(bundle)), IsOk());
  ASSERT_THAT(WriteFile(directory + "/own.der", chain[0]), IsOk());
  const std::string program =
      "import json,base64,hashlib,subprocess\n"
      "c=json.load(open('bundle.json'))['certificates']\n"
      "d=base64.b64decode(c[0]['certificate'])\n"
      "assert d==open('own.der','rb').read() and len(c)==2\n"
      "assert c[0]['sha1_fingerprint']==hashlib.sha1(d).hexdigest()\n"
      "assert c[0]['sha256_fingerprint']==hashlib.sha256(d).hexdigest()\n"
      "assert c[0]['issuer']==c[1]['subject']==c[1]['issuer']=='CN=Test Root,O=Test'\n"
      "assert c[0]['crl_url'].endswith('/devices.crl') and 'crl_url' not in c[1]\n"
      "s=subprocess.run('openssl x509 -inform DER -in own.der -noout -ext subjectKeyIdentifier',shell=True,"
      "capture_output=True,text=True).stdout.split()[-1].replace(':','').lower()\n"
      "assert s==c[0]['key_id'],s\n"
      "print('good')\n";
  ASSERT_THAT(WriteFile(directory + "/check.py", AsBytes(program)), IsOk());
  EXPECT_EQ(RunCommand("cd " + directory + " && python3 check.py").output, "good\n");
}

}  // namespace
}  // namespace hallmark
