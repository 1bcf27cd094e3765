// Signatures of manifests as openssl and certtool make them: each form that is taken, and each that must not be.
#include "factory/manifest_signature.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>
#include <memory>

#include "base/file.h"
#include "base/reason.h"
#include "tests/command.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::RunCommand;
using testing::TemporaryDirectory;

// A root with a CA below that certifies signers, and signers of all kinds. `rev` was revoked; `cas` had a CRL each.
constexpr char kMake[] = R"(
cat >openssl.cnf <<END
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[nousage]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[wrongusage]
keyUsage = critical, keyAgreement
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[email]
keyUsage = nonRepudiation
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[document]
keyUsage = digitalSignature
extendedKeyUsage = 1.3.6.1.5.5.7.3.36
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[crl]
authorityKeyIdentifier = keyid
[ca_root]
database = index.root
crlnumber = number.root
default_md = sha256
crl_extensions = crl
[ca_sub]
database = index.sub
crlnumber = number.sub
default_md = sha256
crl_extensions = crl
END
touch index.root index.sub; echo 01 >number.root; echo 01 >number.sub
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }
new() { openssl req -config openssl.cnf -new "$@"; }
# sign NAME SECTION CA [options]
sign() {
  name=$1 section=$2 ca=$3; shift 3
  [ -e $name.key ] || key $name
  new -key $name.key -subj /CN=$name -out $name.csr
  openssl x509 -req -in $name.csr -CA $ca.pem -CAkey $ca.key -extfile openssl.cnf -extensions $section -days 30 -out $name.pem "$@"
}
self() { [ -e $1.key ] || key $1; new -x509 -key $1.key -subj /CN=$1 -extensions $2 -days 3650 -out $1.pem; }
self root root; self other root
sign sub root root
sign good leaf sub; sign second leaf sub; sign revoked leaf sub; sign nousage nousage sub; sign wrongusage wrongusage sub
sign email email sub; sign document document sub; sign server server sub; sign stranger leaf other
self single leaf
sign direct leaf root
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key; sign rsa leaf sub
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.key; sign rsa1024 leaf sub
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out k1.key; sign k1 leaf sub
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key; sign p384 leaf sub
openssl genpkey -algorithm ED25519 -out ed.key; sign ed leaf sub
sign sha1 leaf sub -sha1
openssl ca -config openssl.cnf -name ca_sub -revoke revoked.pem -cert sub.pem -keyfile sub.key
openssl ca -config openssl.cnf -name ca_root -gencrl -crldays 7 -cert root.pem -keyfile root.key -out root.crl
openssl ca -config openssl.cnf -name ca_sub -gencrl -crldays 7 -cert sub.pem -keyfile sub.key -out sub.crl
openssl ca -config openssl.cnf -name ca_sub -gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200108000000Z -cert sub.pem -keyfile sub.key -out stale.crl
openssl ca -config openssl.cnf -name ca_root -revoke sub.pem -cert root.pem -keyfile root.key
openssl ca -config openssl.cnf -name ca_root -gencrl -crldays 7 -cert root.pem -keyfile root.key -out root-revokes-sub.crl
printf '{"hallmark_manifest": 1}\n' >manifest.json
printf '{"hallmark_manifest": 2}\n' >another.json
)";

class ManifestSignatureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDirectory>();
    const CommandResult made = In(fmt::format("set -e\n{}", kMake));
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  static void TearDownTestSuite() { directory_.reset(); }
  void TearDown() override { EXPECT_EQ(ERR_peek_error(), 0u) << "OpenSSL's error queue is not clean"; }

  static CommandResult In(const std::string& command) {
    return RunCommand(fmt::format("cd {}\n{}", directory_->path().string(), command));
  }
  static Bytes Der(const std::string& file, const char* label) {
    const StatusOr<std::string> text = ReadFile(*directory_ / file);
    return PemDecode(label, text->substr(text->find("-----BEGIN"))).value().at(0);
  }
  // {"root", "sub.crl"}: certificates by their names, CRLs by their files.
  static ManufacturerRecord Registered(const std::vector<std::string>& what) {
    ManufacturerRecord record;
    record.manufacturer = "acme";
    for (const std::string& name : what) {
      if (name.ends_with(".crl")) {
        record.crls.push_back(Der(name, "X509 CRL"));
      } else {
        record.certificates.push_back(Der(name + ".pem", "CERTIFICATE"));
      }
    }
    return record;
  }
  static ManufacturerRecord Usual() { return Registered({"root", "root.crl", "sub.crl"}); }

  static StatusOr<VerifiedSignature> Verify(const std::string& signed_file, const ManufacturerRecord& manufacturer,
                                            Time now = absl::Now()) {
    ASSIGN_OR_RETURN(const Bytes signature, SplitSignedData(*directory_ / signed_file, *directory_ / "content"));
    return VerifyManifest(*directory_ / "content", signature, manufacturer, now);
  }
  // Signs manifest.json, with options of `openssl cms -sign`, into signed.cms.
  static void Sign(const std::string& options) {
    const CommandResult made = In("rm -f signed.cms; openssl cms -sign -in manifest.json -out signed.cms " + options);
    ASSERT_EQ(made.exit_code, 0) << made.output;
    ASSERT_TRUE(std::filesystem::exists(*directory_ / "signed.cms")) << made.output;
  }
  static void ExpectRefused(const Status& status, const std::string& why) {
    EXPECT_EQ(status.code(), Code::kPermissionDenied) << status;
    EXPECT_EQ(Reason(status), reason::kManifestSignatureInvalid);
    EXPECT_THAT(Message(status), HasSubstr(why));
  }

  static std::unique_ptr<TemporaryDirectory> directory_;
};
std::unique_ptr<TemporaryDirectory> ManifestSignatureTest::directory_;

constexpr char kGood[] = "-signer good.pem -inkey good.key -certfile sub.pem -nodetach -binary ";

TEST_F(ManifestSignatureTest, EachFormIsSplitAndVerified) {
  const std::vector<std::pair<std::string, std::string>> kForms = {
      {"DER", "-outform DER"},
      {"PEM", "-outform PEM"},
      {"BER, as a stream", "-outform DER -stream"},
      {"PEM of BER", "-outform PEM -stream"},
      {"SHA-384", "-outform DER -md sha384"},
      {"by key identifier", "-outform DER -keyid"},
      {"without S/MIME capabilities", "-outform DER -nosmimecap"},
  };
  for (const auto& [name, options] : kForms) {
    SCOPED_TRACE(name);
    Sign(kGood + options);
    const StatusOr<VerifiedSignature> verified = Verify("signed.cms", Usual());
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(ReadFile(*directory_ / "content").value(), "{\"hallmark_manifest\": 1}\n");
    EXPECT_EQ(verified->subject, "CN=good");
    EXPECT_EQ(verified->signer, Der("good.pem", "CERTIFICATE"));
    EXPECT_EQ(verified->sha256, Hex(Sha256(verified->signer)));
    ASSERT_TRUE(verified->time.has_value());
    EXPECT_LT(absl::AbsDuration(absl::Now() - *verified->time), absl::Minutes(10));
  }
}

TEST_F(ManifestSignatureTest, OfSeveralGoodSignersTheFirstOfTheSetIsTold) {
  Sign(std::string(kGood) + "-outform DER -signer second.pem -inkey second.key");
  const StatusOr<VerifiedSignature> verified = Verify("signed.cms", Usual());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_THAT(verified->subject, ::testing::AnyOf("CN=good", "CN=second"));
}

TEST_F(ManifestSignatureTest, ContentWithTheLineBreaksOfSmimeIsTaken) {
  Sign("-signer good.pem -inkey good.key -certfile sub.pem -nodetach -outform DER");
  ASSERT_TRUE(Verify("signed.cms", Usual()).ok());
  EXPECT_EQ(ReadFile(*directory_ / "content").value(), "{\"hallmark_manifest\": 1}\r\n");
}

TEST_F(ManifestSignatureTest, DetachedInDerAndPem) {
  for (const char* form : {"DER", "PEM"}) {
    SCOPED_TRACE(form);
    Sign(fmt::format("-signer good.pem -inkey good.key -certfile sub.pem -binary -outform {}", form));
    const StatusOr<Bytes> signature = ReadDetachedSignature(*directory_ / "signed.cms");
    ASSERT_TRUE(signature.ok()) << signature.status();
    const auto verified = VerifyManifest(*directory_ / "manifest.json", *signature, Usual(), absl::Now());
    EXPECT_TRUE(verified.ok()) << verified.status();
    ExpectRefused(VerifyManifest(*directory_ / "another.json", *signature, Usual(), absl::Now()).status(),
                  "another content");
    EXPECT_THAT(Message(Verify("signed.cms", Usual()).status()), HasSubstr("has no content"));
  }
  Sign(std::string(kGood) + "-outform DER");
  EXPECT_THAT(Message(ReadDetachedSignature(*directory_ / "signed.cms").status()), HasSubstr("it has a content"));
}

TEST_F(ManifestSignatureTest, ASecondMakersSignaturesAreTaken) {
  const CommandResult made =
      In("cat good.pem sub.pem >chain.pem; certtool --p7-sign --p7-time --hash SHA256 --load-certificate good.pem "
         "--load-privkey good.key "
         "--infile manifest.json --outfile gnutls.pem && certtool --p7-detached-sign --p7-time --hash SHA256 "
         "--load-certificate good.pem "
         "--load-privkey good.key --infile manifest.json --outder --outfile gnutls.p7s");
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const ManufacturerRecord manufacturer = Registered({"sub", "sub.crl"});
  const StatusOr<VerifiedSignature> attached = Verify("gnutls.pem", manufacturer);
  EXPECT_TRUE(attached.ok()) << attached.status();
  const StatusOr<Bytes> signature = ReadDetachedSignature(*directory_ / "gnutls.p7s");
  ASSERT_TRUE(signature.ok()) << signature.status();
  const auto detached = VerifyManifest(*directory_ / "manifest.json", *signature, manufacturer, absl::Now());
  EXPECT_TRUE(detached.ok()) << detached.status();
}

TEST_F(ManifestSignatureTest, WhoseSignatureCounts) {
  const std::string chain = " -certfile sub.pem";
  const struct {
    const char* name;
    const char* signer;
    std::string options;
    std::vector<std::string> registered;
    const char* refused;  // empty: it counts
  } kCases[] = {
      {"a signer below a CA below the registered", "good", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"a signer below the registered", "good", "", {"sub", "sub.crl"}, ""},
      {"the registered CA is an intermediate; root CRL is not needed", "good", chain, {"sub", "sub.crl"}, ""},
      {"a registered signer", "good", "", {"good"}, ""},
      {"a registered signer beside its CA, without CRLs", "good", chain, {"root", "sub", "good"}, ""},
      {"a registered signer whose certificate is left out", "good", "-nocerts", {"good"}, ""},
      {"a registered signer that certifies itself", "single", "", {"single"}, ""},
      {"a registered CA itself signs", "root", "", {"root"}, "neither digitalSignature nor nonRepudiation"},
      {"RSA", "rsa", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"RSA-PSS", "rsa", chain + " -keyopt rsa_padding_mode:pss", {"root", "root.crl", "sub.crl"}, ""},
      {"P-384", "p384", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"emailProtection", "email", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"documentSigning", "document", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"no key usage", "nousage", chain, {"root", "root.crl", "sub.crl"}, ""},
      {"CRLs of no matter", "good", chain, {"root", "root.crl", "sub.crl", "stale.crl"}, ""},
      {"certificate left out", "good", "-nocerts", {"root", "root.crl", "sub.crl"}, "neither in it nor registered"},
      {"another's CA", "stranger", " -certfile other.pem", {"root", "root.crl", "sub.crl"}, "leads to no certificate"},
      {"another's manufacturer", "good", chain, {"other"}, "leads to no certificate"},
      {"nobody's CA", "single", "", {"root", "root.crl", "sub.crl"}, "leads to no certificate"},
      {"the intermediate is missing", "good", "", {"root", "root.crl", "sub.crl"}, "leads to no certificate"},
      {"revoked", "revoked", chain, {"root", "root.crl", "sub.crl"}, "CN=revoked: certificate revoked"},
      {"its CA is revoked", "good", chain, {"root", "root-revokes-sub.crl", "sub.crl"}, "CN=sub: certificate revoked"},
      {"no CRL at all", "good", chain, {"root"}, "unable to get certificate CRL"},
      {"no CRL of the CA below", "good", chain, {"root", "root.crl"}, "CN=good: unable to get certificate CRL"},
      {"no CRL of the registered", "good", chain, {"root", "sub.crl"}, "CN=sub: unable to get certificate CRL"},
      {"a stale CRL", "good", chain, {"root", "root.crl", "stale.crl"}, "CRL has expired"},
      {"a CA", "sub", " -certfile root.pem", {"root", "root.crl"}, "is a CA, and not registered"},
      {"serverAuth", "server", chain, {"root", "root.crl", "sub.crl"}, "neither documentSigning nor"},
      {"keyAgreement", "wrongusage", chain, {"root", "root.crl", "sub.crl"}, "neither digitalSignature nor"},
      {"RSA of 1024 bits", "rsa1024", chain, {"root", "root.crl", "sub.crl"}, "key too weak"},
      {"a registered RSA of 1024 bits", "rsa1024", "", {"rsa1024"}, "key too weak"},
      {"secp256k1", "k1", chain, {"root", "root.crl", "sub.crl"}, "another curve"},
      {"a certificate by SHA-1", "sha1", chain, {"root", "root.crl", "sub.crl"}, "signature digest algorithm too weak"},
      {"a digest of SHA-1", "good", chain + " -md sha1", {"root", "root.crl", "sub.crl"}, "over a SHA1 digest"},
      {"a digest of SHA-224", "good", chain + " -md sha224", {"root", "root.crl", "sub.crl"}, "over a SHA224 digest"},
      {"no attributes", "good", chain + " -noattr", {"root", "root.crl", "sub.crl"}, "no signed attributes"},
      {"one of two signers is none",
       "good",
       chain + " -signer stranger.pem -inkey stranger.key",
       {"root", "root.crl", "sub.crl"},
       "leads to no certificate"},
      {"another content type",
       "good",
       chain + " -econtent_type 1.3.6.1.4.1.32473.9",
       {"root", "root.crl", "sub.crl"},
       "another content type"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Sign(fmt::format("-signer {0}.pem -inkey {0}.key -nodetach -binary -outform DER {1}", c.signer, c.options));
    const StatusOr<VerifiedSignature> verified = Verify("signed.cms", Registered(c.registered));
    if (std::string_view(c.refused).empty()) {
      EXPECT_TRUE(verified.ok()) << verified.status();
    } else if (std::string_view(c.refused) == "another content type") {
      EXPECT_THAT(Message(verified.status()), HasSubstr(c.refused));
    } else {
      ExpectRefused(verified.status(), c.refused);
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

TEST_F(ManifestSignatureTest, CrlsMayStandInTheSignature) {
  // openssl cms cannot put them in, but its certfile's PKCS7 of crl2pkcs7 shows how they lie.
  Sign(std::string(kGood) + "-outform DER");
  const ManufacturerRecord bare = Registered({"root"});
  ExpectRefused(Verify("signed.cms", bare).status(), "unable to get certificate CRL");
  const CommandResult made = In(R"(python3 - <<'END'
import base64
def der(file):
    text = open(file).read()
    return base64.b64decode(''.join(text[text.index('-----BEGIN'):].splitlines()[1:-1]))
def head(tag, body):
    n = len(body)
    if n < 128: return bytes([tag, n]) + body
    size = n.to_bytes((n.bit_length() + 7) // 8, 'big')
    return bytes([tag, 0x80 | len(size)]) + size + body
def elements(body):
    at, out = 0, []
    while at < len(body):
        n, start = body[at + 1], at + 2
        if n & 0x80:
            size = n & 0x7f
            n, start = int.from_bytes(body[at + 2:at + 2 + size], 'big'), at + 2 + size
        out.append((body[at], body[at:start + n], body[start:start + n]))
        at = start + n
    return out
info = elements(open('signed.cms', 'rb').read())[0][2]
kind, wrapped = elements(info)
fields = elements(elements(wrapped[2])[0][2])
crls = head(0xa1, der('root.crl') + der('sub.crl'))
raw = [f[1] for f in fields]
raw.insert(len(raw) - 1, crls)
open('with-crls.cms', 'wb').write(head(0x30, kind[1] + head(0xa0, head(0x30, b''.join(raw)))))
END)");
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const StatusOr<VerifiedSignature> verified = Verify("with-crls.cms", bare);
  EXPECT_TRUE(verified.ok()) << verified.status();
}

TEST_F(ManifestSignatureTest, TheTimeIsTheCallers) {
  Sign(std::string(kGood) + "-outform DER");
  ExpectRefused(Verify("signed.cms", Registered({"good"}), absl::Now() + absl::Hours(24 * 60)).status(),
                "certificate has expired");
  ExpectRefused(Verify("signed.cms", Registered({"good"}), absl::Now() - absl::Hours(24)).status(), "not yet valid");
  ExpectRefused(Verify("signed.cms", Usual(), absl::Now() + absl::Hours(24 * 10)).status(), "CRL has expired");
}

TEST_F(ManifestSignatureTest, ASuspendedManufacturerAnnouncesNothing) {
  Sign(std::string(kGood) + "-outform DER");
  ManufacturerRecord suspended = Usual();
  suspended.suspended = true;
  EXPECT_EQ(Reason(Verify("signed.cms", suspended).status()), reason::kManufacturerSuspended);
}

TEST_F(ManifestSignatureTest, EveryOctetCounts) {
  Sign(std::string(kGood) + "-outform DER");
  const std::string good = ReadFile(*directory_ / "signed.cms").value();
  ASSERT_TRUE(Verify("signed.cms", Usual()).ok());
  const Bytes signature = SplitSignedData(*directory_ / "signed.cms", *directory_ / "content").value();
  const auto write = [](const std::string& text) {
    std::ofstream(*directory_ / "broken.cms", std::ios::binary) << text;
  };
  for (size_t size = 0; size < good.size(); ++size) {
    write(good.substr(0, size));
    const Status status = SplitSignedData(*directory_ / "broken.cms", *directory_ / "broken").status();
    ASSERT_EQ(Reason(status), reason::kManifestSignatureInvalid) << "cut after " << size;
    ASSERT_EQ(status.code(), Code::kInvalidArgument);
  }
  for (const std::string& garbage : {std::string("x"), std::string("\0", 1), std::string("\n"), good}) {
    write(good + garbage);
    EXPECT_THAT(Message(Verify("broken.cms", Usual()).status()), HasSubstr("something follows"));
  }
  Bytes longer = signature;
  longer.push_back(0);
  EXPECT_THAT(Message(VerifyManifest(*directory_ / "content", longer, Usual(), absl::Now()).status()),
              HasSubstr("something follows"));
  // An octet of the content, and one of the signature, which is the last element.
  std::string content = good;
  content[content.find("hallmark_manifest")] ^= 1;
  write(content);
  ExpectRefused(Verify("broken.cms", Usual()).status(), "another content");
  std::string value = good;
  value.back() ^= 1;
  write(value);
  ExpectRefused(Verify("broken.cms", Usual()).status(), "another key");
}

TEST_F(ManifestSignatureTest, BrokenPemIsRefused) {
  Sign(std::string(kGood) + "-outform PEM");
  const std::string good = ReadFile(*directory_ / "signed.cms").value();
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string cut = good.substr(0, good.size() / 2);
  for (const std::string& text :
       {cut, cut + "\n-----END CMS-----\n", good + "x", good + good, with("BEGIN CMS", "BEGIN PRIVATE KEY"),
        with("END CMS", "END PKCS7"), with("\n", "\n!"), "-" + std::string(5000, 'a'), std::string("-")}) {
    SCOPED_TRACE(text.substr(0, 100));
    std::ofstream(*directory_ / "broken.cms") << text;
    const Status status = SplitSignedData(*directory_ / "broken.cms", *directory_ / "broken").status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(Reason(status), reason::kManifestSignatureInvalid);
  }
}

TEST_F(ManifestSignatureTest, ALargeManifestNeedsLittleMemory) {
  ASSERT_EQ(In("head -c 200000000 /dev/zero >large && openssl cms -sign -in large -signer good.pem -inkey good.key "
               "-certfile sub.pem -nodetach -binary -stream -outform DER -out large.cms")
                .exit_code,
            0);
  const pid_t child = fork();
  if (child == 0) _exit(Verify("large.cms", Usual()).ok() ? 0 : 1);
  int status = 0;
  rusage usage = {};
  ASSERT_EQ(wait4(child, &status, 0, &usage), child);
  EXPECT_EQ(status, 0);
  constexpr long kMiB = 1024;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what was freed
  EXPECT_LT(usage.ru_maxrss / kMiB, 64);
#endif
  RecordProperty("peak_mib", static_cast<int>(usage.ru_maxrss / kMiB));
  In("rm -f large large.cms content");
}

TEST_F(ManifestSignatureTest, WhatMayBeRegistered) {
  const struct {
    const char* name;
    std::vector<std::string> registered;
    const char* field;  // empty: it may
    const char* why;
  } kCases[] = {
      {"a CA with CRLs", {"root", "root.crl", "sub.crl"}, "", ""},
      {"a signer", {"good"}, "", ""},
      {"nothing", {}, "certificates", "has 0"},
      {"twice the same", {"root", "root"}, "certificates[1]", "twice"},
      {"serverAuth", {"server"}, "certificates[0]", "neither documentSigning"},
      {"a weak key", {"root", "rsa1024"}, "certificates[1]", "1024 bits"},
      {"another curve", {"k1"}, "certificates[0]", "another curve"},
      {"a stale CRL", {"sub", "stale.crl"}, "crls[0]", "no longer current"},
      {"a CRL and no CA", {"good", "sub.crl"}, "crls[0]", "no registered certificate is a CA"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const Status status = CheckManufacturer(Registered(c.registered), absl::Now());
    if (std::string_view(c.field).empty()) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(Reason(status), reason::kRequestInvalid);
      EXPECT_THAT(Message(status), AllOf(HasSubstr(std::string(c.field) + ": "), HasSubstr(c.why)));
    }
  }
  ManufacturerRecord record = Usual();
  EXPECT_FALSE(CheckManufacturer(record, absl::Now() + absl::Hours(24 * 10)).ok()) << "the CRLs have gone stale";
  EXPECT_FALSE(CheckManufacturer(Registered({"root"}), absl::Now() + absl::Hours(24 * 4000)).ok());
  record.crls[0].back() ^= 1;
  EXPECT_THAT(Message(CheckManufacturer(record, absl::Now())), HasSubstr("crls[0]"));
  record = Usual();
  record.certificates[0].push_back(0);
  EXPECT_THAT(Message(CheckManufacturer(record, absl::Now())), HasSubstr("no certificate in DER"));
  for (const char* name : {"", "Acme", "1acme", "-a"}) {
    record = Usual();
    record.manufacturer = name;
    EXPECT_THAT(Message(CheckManufacturer(record, absl::Now())), HasSubstr("manufacturer: "));
  }
  record = Usual();
  record.display_name = "a\nb";
  EXPECT_THAT(Message(CheckManufacturer(record, absl::Now())), HasSubstr("display_name: "));
}

}  // namespace
}  // namespace hallmark
