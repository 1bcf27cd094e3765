// What the command line shows and reads: tables, descriptions, names, serial numbers, reasons.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/reason.h"
#include "tests/cli_program.h"
#include "tests/command.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using ::hallmark::testing::CommandResult;
using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::Program;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::SomeCertificate;
using ::hallmark::testing::TemporaryDirectory;
using ::hallmark::testing::Write;
using ::testing::HasSubstr;

// --- Text.

TEST(Printable, KeepsTextAndDefusesTheRest) {
  const struct {
    std::string text;
    std::string printable;
  } cases[] = {
      {"CN=Gerät-1,O=日本", "CN=Gerät-1,O=日本"},
      {"a\tb", "a\\x09b"},
      {"\x1b[31m", "\\x1b[31m"},
      {"\x7f", "\\x7f"},
      {"\xc2\x9b", "\\xc2\\x9b"},  // U+009B, CSI
      {"\xe2\x80\xae"
       "abc",
       "\\xe2\\x80\\xae"
       "abc"},  // U+202E
      {"\xff", "\\xff"},
      {"\xc0\xaf", "\\xc0\\xaf"},           // overlong
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},  // overlong
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},  // cut off
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"", ""},
  };
  for (const auto& test : cases) EXPECT_EQ(Printable(test.text), test.printable);
}

TEST(Table, AlignsByCharactersAndColoursOnRequestOnly) {
  const std::vector<std::vector<Cell>> rows = {{"Gerät-1", {"valid", Color::kGreen}}, {"x\n", "long text"}};
  EXPECT_EQ(RenderTable({"NAME", "STATUS"}, rows, false),
            "NAME     STATUS\n"
            "Gerät-1  valid\n"
            "x\\x0a    long text\n");
  EXPECT_EQ(RenderTable({"NAME", "STATUS"}, {{"a", {"valid", Color::kGreen}}}, true),
            "\x1b[2mNAME\x1b[0m  \x1b[2mSTATUS\x1b[0m\na     \x1b[32mvalid\x1b[0m\n");
}

TEST(Fields, AreAlignedAndEmptyOnesLeftOut) {
  EXPECT_EQ(RenderFields({{"Name", "x"}, {"Nothing", ""}, {"Longer name", "y"}}, false),
            "Name         x\nLonger name  y\n");
}

TEST(Colours, AreForTerminalsThatWantThem) {
  const struct {
    bool terminal;
    bool no_color;
    std::string output;
    bool colored;
  } cases[] = {{true, false, "table", true},
               {true, true, "table", false},
               {false, false, "table", false},
               {true, false, "json", false}};
  for (const auto& test : cases) {
    Program program({.context = "",
                     .home = "",
                     .in_is_terminal = false,
                     .out_is_terminal = test.terminal,
                     .err_is_terminal = false,
                     .no_color = test.no_color});
    program.session().output = test.output;
    EXPECT_EQ(program.session().colored(), test.colored);
  }
}

TEST(Validity, IsToldToTheSecond) {
  const Time begin = absl::FromUnixSeconds(1'000'000'000);
  const Time last = begin + absl::Hours(240) - absl::Seconds(1);  // inclusive
  const v1::Certificate certificate = SomeCertificate(begin, last);
  const struct {
    Time now;
    std::string text;
  } cases[] = {
      {begin - absl::Seconds(1), "not yet valid"},
      {begin, "valid, 10 days left"},
      {begin + absl::Seconds(1), "valid, 9 days left"},
      {last - absl::Hours(24), "valid, 1 day left"},
      {last, "valid, 0 days left"},
      {last + absl::Seconds(1), "expired 0 days ago"},
      {last + absl::Hours(48) + absl::Seconds(1), "expired 2 days ago"},
  };
  for (const auto& test : cases) EXPECT_EQ(ValidityOf(certificate, test.now).text, test.text);

  v1::Certificate revoked = certificate;
  revoked.mutable_revocation_details()->set_reason(v1::KEY_COMPROMISE);
  revoked.mutable_revocation_details()->mutable_revoke_time()->set_seconds(1'000'000'000);
  EXPECT_EQ(ValidityOf(revoked, begin).text, "revoked on 2001-09-09T01:46:40Z (keyCompromise)");
  EXPECT_THAT(DescribeCertificate(revoked, begin, false), HasSubstr("Status       revoked on 2001-09-09T01:46:40Z"));
}

// --- Names, reasons, filters.

TEST(Reason, IsReadByNameAndByNumberOfRfc5280) {
  const struct {
    std::string text;
    v1::RevocationReason reason;
  } cases[] = {
      {"unspecified", v1::UNSPECIFIED},
      {"0", v1::UNSPECIFIED},
      {"keyCompromise", v1::KEY_COMPROMISE},
      {"1", v1::KEY_COMPROMISE},
      {"KEY_COMPROMISE", v1::KEY_COMPROMISE},
      {"cACompromise", v1::CA_COMPROMISE},
      {"2", v1::CA_COMPROMISE},
      {"affiliationchanged", v1::AFFILIATION_CHANGED},
      {"3", v1::AFFILIATION_CHANGED},
      {"superseded", v1::SUPERSEDED},
      {"4", v1::SUPERSEDED},
      {"cessationOfOperation", v1::CESSATION_OF_OPERATION},
      {"5", v1::CESSATION_OF_OPERATION},
      {"certificateHold", v1::CERTIFICATE_HOLD},
      {"6", v1::CERTIFICATE_HOLD},
      {"privilegeWithdrawn", v1::PRIVILEGE_WITHDRAWN},
      {"9", v1::PRIVILEGE_WITHDRAWN},
      {"aACompromise", v1::AA_COMPROMISE},
      {"10", v1::AA_COMPROMISE},
  };
  for (const auto& test : cases) {
    const auto reason = ParseReason(test.text);
    ASSERT_THAT(reason, IsOk()) << test.text;
    EXPECT_EQ(*reason, test.reason) << test.text;
  }
  for (const char* text : {"", "7", "11", "-1", "1.0"}) {
    EXPECT_THAT(ParseReason(text), Fails(Code::kInvalidArgument, reason::kCommandLineInvalid)) << text;
  }
}

TEST(Reference, IsAResourceNameOrASerialNumber) {
  const struct {
    std::string text;
    std::string name;
  } cases[] = {
      {"authorities/access/certificates/5b", "authorities/access/certificates/5b"},
      {"4a01", "authorities/devices/certificates/4a01"},
      {"4A:01", "authorities/devices/certificates/4a01"},
      {"0x4A01", "authorities/devices/certificates/4a01"},
      {"0:a1", "authorities/devices/certificates/a1"},
      {"004a01", "authorities/devices/certificates/4a01"},
      {"a01", "authorities/devices/certificates/0a01"},
  };
  for (const auto& test : cases) {
    const auto reference = ReadReference(test.text, "devices");
    ASSERT_THAT(reference, IsOk()) << test.text;
    EXPECT_EQ(reference->name, test.name) << test.text;
  }
  for (const char* text : {"", "0", "device-1", "4a01.pem", "authorities/devices"}) {
    EXPECT_THAT(ReadReference(text, "devices"), Fails(Code::kInvalidArgument, reason::kCommandLineInvalid)) << text;
  }
}

TEST(Reference, IsAFileWhoseSerialNumberOpensslConfirms) {
  const TemporaryDirectory directory;
  const std::string at = directory.path();
  ASSERT_EQ(
      RunCommand("cd " + at +
                 " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem "
                 "-subj '/O=Example/CN=device-1' -set_serial 0x0a00ff -out c.pem && openssl x509 -in c.pem -outform "
                 "DER -out c.der "
                 "&& openssl x509 -in c.pem -text -out text.pem")
          .exit_code,
      0);
  const std::string serial = RunCommand("openssl x509 -noout -serial -in " + at + "/c.pem").output;
  EXPECT_EQ(serial, "serial=0A00FF\n");
  for (const char* file : {"c.pem", "c.der", "text.pem"}) {
    const auto reference = ReadReference(at + "/" + file, "authorities/devices");
    ASSERT_THAT(reference, IsOk()) << file;
    EXPECT_EQ(reference->name, "authorities/devices/certificates/0a00ff");
    EXPECT_EQ(ToString(reference->certificate), *ReadFile(directory / "c.der"));
    EXPECT_EQ(CommonName(reference->certificate), "device-1");
  }
  EXPECT_THAT(ReadReference(at + "/k.pem", "devices"), Fails(Code::kInvalidArgument, reason::kCommandLineInvalid));
}

TEST(Crl, ListsWhatOpensslPutIntoIt) {
  const TemporaryDirectory directory;
  Write(directory / "run", "set -e; cd " + directory.path().string() + R"(
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj /CN=ca -out ca.pem
touch index.txt; echo 4A01 > crlnumber
printf 'R\t391231235959Z\t260101000000Z,keyCompromise\t4A01\tunknown\t/CN=a\n' > index.txt
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n' > ca.cnf
openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -crldays 1 -out crl.pem
openssl crl -in crl.pem -outform DER -out crl.der)");
  const CommandResult made = RunCommand("bash " + (directory / "run").string());
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string crl = *ReadFile(directory / "crl.der");
  EXPECT_TRUE(*Lists(AsBytes(crl), "4a01"));
  EXPECT_FALSE(*Lists(AsBytes(crl), "4a02"));
  EXPECT_THAT(Lists(AsBytes("no CRL"), "4a01"), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
}

TEST(Authority, IsNamedShortOrLong) {
  EXPECT_EQ(AuthorityName("devices"), "authorities/devices");
  EXPECT_EQ(AuthorityName("authorities/devices"), "authorities/devices");
  EXPECT_EQ(ShortAuthority("authorities/devices"), "devices");
  EXPECT_EQ(ShortAuthority("authorities/devices/certificates/4a"), "devices");
  EXPECT_EQ(ShortAuthority("devices"), "devices");
}

TEST(ListFilter, JoinsAndQuotesItsTerms) {
  EXPECT_EQ(ListFilter({}), "");
  EXPECT_EQ(ListFilter({.profile = "device", .subject = "device-1", .revoked = true}),
            "profile = \"device\" AND subject = \"CN=device-1\" AND revoked = true");
  EXPECT_EQ(ListFilter({.subject = "CN=a\\,b,O=\"x\"", .caller = "hallmark://e/s/n"}),
            "subject = \"CN=a\\\\,b,O=\\\"x\\\"\" AND caller = \"hallmark://e/s/n\"");
  EXPECT_EQ(ListFilter({.revoked = true}), "revoked = true");
  EXPECT_EQ(ListFilter({.lot = "a-17", .device = "SN1", .issued_from = "2026-11-28T10:00:00Z"}),
            "lot = \"a-17\" AND device = \"SN1\" AND issued_from = \"2026-11-28T10:00:00Z\"");
}

}  // namespace
}  // namespace hallmark::cli
