// What is done to certificates, and whether judges that are not ours see it: OpenSSL (CRLs of all shards with deltas,
// OCSP), GnuTLS (signatures of CRLs, OCSP), NSS (CRLs while there is one shard: it knows no other), and Java's path
// validation (CRLs, OCSP), for issuers with EC and RSA keys, after each step of a life.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>

#include "base/file.h"
#include "ca/ocsp_responder.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/places.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;
using Reason = RevocationReason;

enum class Is { kGood, kRevoked };
std::ostream& operator<<(std::ostream& out, Is is) { return out << (is == Is::kGood ? "good" : "revoked"); }

constexpr char kRoot[] = "root";

class RevocationJudgesTest : public ::testing::TestWithParam<SignatureAlgorithm> {
 protected:
  RevocationJudgesTest() : house_(GetParam()) { Spread(1); }

  // --- What is done.

  void Spread(int64_t shards) {
    shards_ = shards;
    house_.crl_shards = {{"devices", shards}, {"devices-2", shards}};
    house_.crl_delta_lifetime = absl::Hours(6);
    responder_.reset();
    signers_.reset();
    house_.Reopen();
    signers_.emplace(house_.authority(), house_.MakeTokens(), "test");
    responder_.emplace(house_.authority(), *signers_, OcspOptions{.validity = absl::Hours(24)});
    house_.authority().SetObservers(
        {.issued = {},
         .revoked = [this](const CertificateRecord& record) { responder_->RevocationChanged(record); },
         .released = [this](const CertificateRecord& record) { responder_->RevocationChanged(record); },
         .crl_issued = {}});
  }
  void Issue(const std::string& name, std::optional<Duration> lifetime = {}, const std::string& authority = "devices") {
    Request request = house_.DeviceRequest("r-" + name, name);
    request.authority = authority;
    request.lifetime = lifetime;
    const StatusOr<Issued> issued = house_.Issue(request);
    ASSERT_THAT(issued, IsOk());
    devices_[name] = issued->record;
    expected_[name] = Is::kGood;
    Write(name + ".pem", PemEncode("CERTIFICATE", issued->record.certificate));
  }
  void Revoke(const std::string& name, Reason reason) {
    const CertificateRecord& device = devices_.at(name);
    ASSERT_THAT(house_.authority().Revoke(House::CallerOf("operator"), device.authority, device.serial, reason),
                IsOk());
    expected_[name] = Is::kRevoked;
  }
  void Release(const std::string& name) {
    const CertificateRecord& device = devices_.at(name);
    ASSERT_THAT(house_.authority().Release(House::CallerOf("operator"), device.authority, device.serial), IsOk());
    expected_[name] = Is::kGood;
  }
  // New lists of all shards: deltas only, or complete ones with deltas to them.
  void Publish(bool complete) {
    house_.clock.now += absl::Seconds(1);
    for (const std::string& authority : Authorities()) {
      const auto shards = house_.authority().ShardsOf(authority).value();
      for (const auto& [shard, count] : shards) {
        for (const bool delta : {false, true}) {
          if (!delta && !complete) continue;
          ASSERT_THAT(house_.authority().GenerateCrl(house_.issuer(authority), absl::InfiniteFuture(), {shard, delta}),
                      IsOk());
        }
      }
    }
    complete_is_enough_ = complete;
  }

  // --- What a relying party has.

  std::vector<std::string> Authorities() {
    std::vector<std::string> names = {kRoot, "devices"};
    if (house_.issuers().Current()->issuers.contains("devices-2")) names.push_back("devices-2");
    return names;
  }
  std::string Path(const std::string& name) const { return (house_.directory() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_THAT(WriteFile(house_.directory() / name, AsBytes(text)), IsOk());
  }
  void WriteLists() {
    std::string complete;
    std::string all;
    for (const std::string& authority : Authorities()) {
      Write(authority + ".pem", PemEncode("CERTIFICATE", house_.issuer(authority).record().certificate));
      const auto latest = house_.store().LatestCrls(authority).value();
      for (const auto& [scope, about] : latest) {
        const std::string pem = PemEncode("X509 CRL", house_.store().LatestCrl(authority, scope)->crl);
        if (!scope.delta) complete += pem;
        all += pem;
      }
    }
    Write("complete.pem", complete);
    Write("all.pem", all);
    Write("trusted.pem", ReadFile(Path("root.pem")).value() + ReadFile(Path("devices.pem")).value());
  }
  // The responder's answer to a question that OpenSSL asks.
  void WriteResponse(const std::string& device) {
    const std::string issuer = Path(devices_.at(device).authority + ".pem");
    const auto asked = RunCommand(fmt::format("openssl ocsp -issuer {} -cert {} -no_nonce -reqout {}", issuer,
                                              Path(device + ".pem"), Path("question")));
    ASSERT_EQ(asked.exit_code, 0) << asked.output;
    const OcspAnswer answer = responder_->Answer(AsBytes(ReadFile(Path("question")).value()));
    Write(device + ".response", *answer.der);
  }

  // --- The judges.

  static std::optional<Is> Verdict(const std::string& output, const std::string& good, const std::string& revoked) {
    if (output.find(revoked) != std::string::npos) return Is::kRevoked;
    if (output.find(good) != std::string::npos) return Is::kGood;
    return std::nullopt;
  }
  void ExpectOpensslByCrl(const std::string& device, Is is) {
    const auto verified = RunCommand(fmt::format(
        "openssl verify -crl_check_all -use_deltas -extended_crl -attime {} -CAfile {} -untrusted {} -CRLfile {} {}",
        absl::ToUnixSeconds(house_.clock.now), Path("root.pem"), Path(devices_.at(device).authority + ".pem"),
        Path("all.pem"), Path(device + ".pem")));
    EXPECT_EQ(Verdict(verified.output, ": OK", "certificate revoked"), is) << verified.output;
  }
  void ExpectOpensslByOcsp(const std::string& device, Is is) {
    const auto read = RunCommand(fmt::format("openssl ocsp -issuer {} -cert {} -no_nonce -respin {} -CAfile {}",
                                             Path(devices_.at(device).authority + ".pem"), Path(device + ".pem"),
                                             Path(device + ".response"), Path("root.pem")));
    EXPECT_THAT(read.output, HasSubstr("Response verify OK"));
    EXPECT_EQ(Verdict(read.output, ".pem: good", ".pem: revoked"), is) << read.output;
  }
  void ExpectGnutlsByOcsp(const std::string& device, Is is) {
    const auto verified = RunCommand(fmt::format(
        "ocsptool --verify-response --load-response {} --load-trust {}; ocsptool "
        "--response-info --load-response {}",
        Path(device + ".response"), Path(devices_.at(device).authority + ".pem"), Path(device + ".response")));
    EXPECT_THAT(verified.output, HasSubstr("Verifying OCSP Response: Success"));
    EXPECT_EQ(Verdict(verified.output, "Certificate Status: good", "Certificate Status: revoked"), is)
        << verified.output;
  }
  void ExpectGnutlsVerifiesTheLists() {
    for (const std::string& authority : Authorities()) {
      const auto latest = house_.store().LatestCrls(authority).value();
      for (const auto& [scope, about] : latest) {
        Write("list.pem", PemEncode("X509 CRL", house_.store().LatestCrl(authority, scope)->crl));
        const auto verified = RunCommand(fmt::format("certtool --verify-crl --load-ca-certificate {} --infile {}",
                                                     Path(authority + ".pem"), Path("list.pem")));
        EXPECT_THAT(verified.output, HasSubstr("Verification output: Verified.")) << authority << " " << scope.shard;
      }
    }
  }
  void MakeNssDatabase() {
    const std::string nss = Path("nss");
    std::string make = fmt::format(
        "rm -rf {0} && mkdir {0} && certutil -N -d sql:{0} --empty-password && certutil -A -d "
        "sql:{0} -n root -t CT,C,C -a -i {1}",
        nss, Path("root.pem"));
    for (const std::string& authority : Authorities()) {
      if (authority != kRoot)
        make +=
            fmt::format(" && certutil -A -d sql:{0} -n {1} -t ,, -a -i {2}", nss, authority, Path(authority + ".pem"));
      Write(authority + ".der", ToString(house_.store().LatestCrl(authority, {})->crl));
      make += fmt::format(" && crlutil -I -d sql:{} -i {}", nss, Path(authority + ".der"));
    }
    const auto made = RunCommand(make);
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  void ExpectNssByCrl(const std::string& device, Is is) {
    // From the database alone.
    constexpr char kRevocation[] = "-h testLocalInfoFirst -m crl -s forbidFetching";
    const auto verified = RunCommand(fmt::format("vfychain -d sql:{0} -pp -u 0 -g leaf {1} -g chain {1} -a {2}",
                                                 Path("nss"), kRevocation, Path(device + ".pem")));
    EXPECT_EQ(Verdict(verified.output, "Chain is good!", "-8180"), is) << verified.output;
  }
  // Puts a question to Java, which answers all of them in one run: a virtual machine takes its time to start. What the
  // question is about is kept as it is now.
  void AskJava(const std::string& device, Is is, const std::string& after) {
    const auto keep = [&](const std::string& name) {
      const std::string kept = fmt::format("{}.{}", java_.size(), name);
      Write(kept, ReadFile(Path(name)).value());
      return Path(kept);
    };
    const std::string terms = fmt::format("{} {} {} {}", absl::ToUnixSeconds(house_.clock.now), Path("root.pem"),
                                          Path(devices_.at(device).authority + ".pem"), Path(device + ".pem"));
    java_.push_back(
        {fmt::format("ocsp {} {}", terms, keep(device + ".response")), device + " by OCSP after " + after, is});
    // With a change since the complete lists, it would take a delta for one of them.
    if (!complete_is_enough_) return;
    java_.push_back({fmt::format("crl {} {}", terms, keep("complete.pem")), device + " by CRL after " + after, is});
  }
  void ExpectJavaAgrees() {
    std::string questions;
    for (const auto& asked : java_) questions += asked.question + "\n";
    Write("questions", questions);
    const auto judged = RunCommand(fmt::format("java {}/tests/revocation_judges/PathJudge.java < {}",
                                               testing::SourceDirectory(), Path("questions")));
    std::istringstream lines(judged.output);
    std::string line;
    for (const auto& asked : java_) {
      ASSERT_TRUE(std::getline(lines, line)) << judged.output;
      EXPECT_EQ(line, asked.is == Is::kGood ? "good" : "revoked") << "Java of " << asked.what;
    }
  }

  void ExpectAllAgree(const std::string& after) {
    SCOPED_TRACE("after " + after);
    WriteLists();
    ExpectGnutlsVerifiesTheLists();
    const bool nss = complete_is_enough_ && shards_ == 1;
    if (nss) MakeNssDatabase();
    for (const auto& [device, is] : expected_) {
      SCOPED_TRACE(device);
      WriteResponse(device);
      ExpectOpensslByOcsp(device, is);  // also of what has expired
      ExpectGnutlsByOcsp(device, is);
      if (devices_.at(device).not_after < house_.clock.now) continue;
      AskJava(device, is, after);
      ExpectOpensslByCrl(device, is);
      // At the real time: NSS takes another in whole minutes only, and in the minute of a revocation it is not yet one.
      if (nss && devices_.at(device).not_after > absl::Now()) ExpectNssByCrl(device, is);
    }
  }
  // How often the newest complete lists name a device.
  bool IsListed(const std::string& device) {
    const CertificateRecord& record = devices_.at(device);
    Write("list.pem",
          PemEncode("X509 CRL", house_.store().LatestCrl(record.authority, {record.crl_shard, false})->crl));
    std::string serial = Hex(record.serial);
    for (char& c : serial) c = static_cast<char>(std::toupper(c));
    return RunCommand("openssl crl -noout -text -in " + Path("list.pem")).output.find("Serial Number: " + serial) !=
           std::string::npos;
  }

  House house_;
  int64_t shards_ = 1;
  bool complete_is_enough_ = true;  // nothing has changed since the complete lists
  struct Asked {
    std::string question;
    std::string what;
    Is is;
  };
  std::vector<Asked> java_;
  std::map<std::string, CertificateRecord> devices_;
  std::map<std::string, Is> expected_;
  std::optional<OcspSigners> signers_;
  std::optional<OcspResponder> responder_;
};

TEST_P(RevocationJudgesTest, AgreeWithWhatWasDoneAllAlongALife) {
  const struct {
    const char* name;
    std::function<void()> act;
    bool complete;  // whether complete lists follow, or deltas only
  } steps[] = {
      {"issuance",
       [&] {
         for (const char* device : {"good", "bad", "held"}) Issue(device);
         Issue("short", absl::Minutes(20));
       },
       true},
      {"revocation and hold, on deltas",
       [&] {
         Revoke("bad", Reason::kSuperseded);
         Revoke("held", Reason::kCertificateHold);
         Revoke("short", Reason::kCessationOfOperation);
       },
       false},
      {"complete lists of them", [] {}, true},
      {"release, on deltas", [&] { Release("held"); }, false},
      {"complete lists without it", [] {}, true},
      {"a change of reason", [&] { Revoke("bad", Reason::kKeyCompromise); }, true},
      {"expiry",
       [&] {
         house_.clock.now += absl::Minutes(25);
         EXPECT_TRUE(IsListed("short"));
       },
       true},
      {"the first list after expiry", [&] { EXPECT_TRUE(IsListed("short")); }, true},
      {"the second list after expiry", [&] { EXPECT_FALSE(IsListed("short")); }, true},
      {"growth to four shards",
       [&] {
         Spread(4);
         for (int i = 0; i < 5; ++i) Issue(fmt::format("grown-{}", i));
       },
       true},
      {"revocations in shards, on deltas",
       [&] {
         for (int i = 0; i < 3; ++i) Revoke(fmt::format("grown-{}", i), Reason::kPrivilegeWithdrawn);
         Revoke("held", Reason::kCertificateHold);
       },
       false},
      {"complete lists of shards", [] {}, true},
      {"rollover",
       [&] {
         const Caller caller = House::CallerOf("operator");
         Rollover rollover;
         rollover.request_id = "rollover";
         rollover.successor = "devices-2";
         ASSERT_THAT(house_.lifecycle().RollOver(caller, "devices", rollover, absl::InfiniteFuture()), IsOk());
         ASSERT_THAT(house_.lifecycle().SetState(caller, "devices-2", AuthorityState::kEnabled, false, 0), IsOk());
         Issue("successor-good", {}, "devices-2");
         Issue("successor-bad", {}, "devices-2");
         Revoke("successor-bad", Reason::kKeyCompromise);
         Revoke("grown-3", Reason::kSuperseded);  // the predecessor's lists go on
       },
       true},
  };
  for (const auto& step : steps) {
    step.act();
    Publish(step.complete);
    if (HasFatalFailure()) return;
    ExpectAllAgree(step.name);
  }
  ExpectJavaAgrees();
}

INSTANTIATE_TEST_SUITE_P(EachAlgorithm, RevocationJudgesTest,
                         ::testing::Values(SignatureAlgorithm::kEcdsaSha256, SignatureAlgorithm::kRsaPkcs1Sha256),
                         [](const auto& info) {
                           return info.param == SignatureAlgorithm::kEcdsaSha256 ? "Ec" : "Rsa";
                         });

}  // namespace
}  // namespace hallmark
