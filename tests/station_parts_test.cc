// The parts of `hallmark station` that need no service: archives, lists, request ids, the spool.
#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "base/reason.h"
#include "tests/command.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/station/archive.h"
#include "tools/hallmark/station/intake.h"
#include "tools/hallmark/station/spool.h"

namespace hallmark::cli::station {
namespace {

using hallmark::testing::Fails;
using hallmark::testing::IsOk;
using hallmark::testing::RunCommand;
using hallmark::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ArchiveTest : public ::testing::Test {
 protected:
  // Runs Python with `d` as the directory; the archive is `name` in it.
  std::filesystem::path Make(const std::string& name, const std::string& script) {
    std::ofstream(directory_ / "make.py")
        << "import io, tarfile, zipfile\nd = '" << directory_.path().string() << "/'\n"
        << script;
    const auto made = RunCommand("python3 " + (directory_ / "make.py").string());
    EXPECT_EQ(made.exit_code, 0) << made.output;
    return directory_ / name;
  }
  TemporaryDirectory directory_;
};

TEST_F(ArchiveTest, HoldsCsrsAndWhatElseIsThereIsNotTouched) {
  const std::string tar = R"(
def add(t, name, data, kind=tarfile.REGTYPE, link=''):
    i = tarfile.TarInfo(name); i.size = len(data); i.type = kind; i.linkname = link
    t.addfile(i, io.BytesIO(data))
)";
  const std::vector<std::pair<std::string, std::string>> archives = {
      {"a.tar.gz", tar + R"(
t = tarfile.open(d + 'a.tar.gz', 'w:gz')
add(t, './one.csr', b'1'); add(t, 'sub/two.P10', b'2'); add(t, 'readme.txt', b'x' * 100000)
add(t, 'link.csr', b'', tarfile.SYMTYPE, '/etc/passwd'); add(t, 'hard.csr', b'', tarfile.LNKTYPE, 'one.csr')
t.close()
)"},
      {"a.zip",
       "z = zipfile.ZipFile(d + 'a.zip', 'w', zipfile.ZIP_DEFLATED)\nz.writestr('one.csr', b'1')\n"
       "z.writestr('sub/two.P10', b'2')\nz.writestr('readme.txt', b'x' * 100000)\nz.close()\n"}};
  for (const auto& [name, script] : archives) {
    const auto members = ReadArchive(Make(name, script));
    ASSERT_THAT(members, IsOk()) << name;
    ASSERT_EQ(members->size(), 2u) << name;
    EXPECT_EQ((*members)[0].path, "one.csr");
    EXPECT_EQ((*members)[0].content, "1");
    EXPECT_EQ((*members)[1].path, "sub/two.P10");
  }
}

TEST_F(ArchiveTest, HostileOnesAreRefusedWhole) {
  struct Case {
    std::string name;
    std::string script;
    std::string message;
  };
  const std::string good = "z.writestr('one.csr', b'1')\n";
  const std::string open = "z = zipfile.ZipFile(d + 'a.zip', 'w', zipfile.ZIP_DEFLATED)\n" + good;
  const std::vector<Case> cases = {
      {"parent", open + "z.writestr('../two.csr', b'2')\nz.close()\n", "leads out of it"},
      {"hidden parent", open + "z.writestr('a/../../two.csr', b'2')\nz.close()\n", "leads out of it"},
      {"absolute", open + "z.writestr('/etc/two.csr', b'2')\nz.close()\n", "leads out of it"},
      {"backslashes", open + "z.writestr('..\\\\two.csr', b'2')\nz.close()\n", "leads out of it"},
      {"large member", open + "z.writestr('two.csr', b'2' * 2000)\nz.close()\n", "more than 1000 octets"},
      {"bomb in what is skipped", open + "z.writestr('two.txt', b'2' * 200000)\nz.close()\n", "expands to more"},
      {"many members", open + "[z.writestr(f'{i}.csr', b'2') for i in range(20)]\nz.close()\n", "more than 10 members"},
      {"large file", open + "import os\nz.writestr(zipfile.ZipInfo('r.txt'), os.urandom(60000))\nz.close()\n",
       "more than 50000"},
      {"cut off", open + "z.close()\nb = open(d + 'a.zip', 'rb').read()\nopen(d + 'a.zip', 'wb').write(b[:20])\n",
       "cannot be read"},
      {"no archive", "open(d + 'a.zip', 'w').write('junk' * 500)\n", "cannot be read"},
  };
  const ArchiveLimits limits{.file = 50'000, .member = 1000, .expanded = 100'000, .members = 10};
  for (const Case& c : cases) {
    const auto members = ReadArchive(Make("a.zip", c.script), limits);
    EXPECT_THAT(members, Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << c.name;
    EXPECT_THAT(Message(members.status()), HasSubstr(c.message)) << c.name;
  }
}

TEST(ListTest, IsReadOrSaysWhere) {
  TemporaryDirectory directory;
  const auto read = [&directory](const std::string& text) {
    std::ofstream(directory / "list.csv", std::ios::binary) << text;
    return ReadList(directory / "list.csv");
  };
  const auto list = read(
      "\xef\xbb\xbf"
      "serial,file,reissue_reason\r\nSN1,./a.csr,\"scratched, \"\"twice\"\"\"\r\nSN2,b.csr,\n\n");
  ASSERT_THAT(list, IsOk());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ(list->at("a.csr").serial, "SN1");
  EXPECT_EQ(list->at("a.csr").reissue_reason, "scratched, \"twice\"");
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"serial\nSN1\n", "no column 'file'"},
      {"file,colour\n", "column 'colour' is unknown"},
      {"file,serial\na.csr\n", "record 2 (a.csr): has 1 fields, not 2"},
      {"file\na.csr\na.csr\n", "record 3 (a.csr): the file is there twice"},
      {"file,serial\n\"a.csr,SN1\n", "a quote is not closed"},
      {"file,serial\n\"a\"b,SN1\n", "something stands behind it"},
      {"file,endorsement_key_file\na.csr,list.csv\n", "is not a public key"},
      {"file,serial\n,SN1\n", "names no file"},
  };
  for (const auto& [text, message] : faults) {
    const auto faulty = read(text);
    EXPECT_THAT(faulty, Fails(Code::kInvalidArgument, reason::kCommandLineInvalid)) << text;
    EXPECT_THAT(Message(faulty.status()), HasSubstr(message)) << text;
  }
}

TEST(RequestTest, TheIdIsOfAllThatIsAsked) {
  const Terms terms{
      .parent = "authorities/devices", .profile = "device-dps", .lot = "lots/a", .serial_from_name = false};
  const std::string id = MakeRequest(terms, "n", "csr", {}).request_id();
  EXPECT_EQ(MakeRequest(terms, "other name", "csr", {}).request_id(), id);
  Terms other_lot = terms;
  other_lot.lot = "lots/b";
  Terms named = terms;
  named.serial_from_name = true;
  EXPECT_EQ(MakeRequest(named, "SN1", "csr", {}).device_serial(), "SN1");
  for (const std::string& other :
       {MakeRequest(other_lot, "n", "csr", {}).request_id(), MakeRequest(terms, "n", "another", {}).request_id(),
        MakeRequest(terms, "n", "csr", {"SN1", "", ""}).request_id(),
        MakeRequest(terms, "n", "csr", {"", "key", ""}).request_id(),
        MakeRequest(terms, "n", "csr", {"", "", "rework"}).request_id(),
        MakeRequest(named, "n", "csr", {}).request_id(), RequestIdOf(MakeRequest(terms, "n", "csr", {}), 1)}) {
    EXPECT_NE(other, id);
    EXPECT_LE(other.size(), 64u);
  }
  // Without a lot, as `hallmark certificate issue` has it: whatever was issued by hand is not issued twice.
  Terms plain = terms;
  plain.lot.clear();
  EXPECT_EQ(MakeRequest(plain, "n", "csr", {}).request_id(),
            DefaultRequestId("authorities/devices", "device-dps", AsBytes("csr")));
}

class SpoolTest : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return directory_ / "spool.db"; }
  static Found Make(const std::string& name, const std::string& csr, const std::string& reissue = "") {
    const Terms terms{.parent = "authorities/devices", .profile = "p", .lot = "lots/a", .serial_from_name = false};
    return {name, name + ".csr", MakeRequest(terms, name, csr, {"", "", reissue}), absl::OkStatus(), ""};
  }
  static Answer Certified(int64_t id, const std::string& octets) {
    Answer answer{.id = id, .certificate = v1::Certificate(), .error = ""};
    answer.certificate->set_certificate(octets);
    return answer;
  }
  TemporaryDirectory directory_;
};

TEST_F(SpoolTest, ARequestGoesItsWayAndNoOther) {
  auto spool = Spool::Claim(path(), "hallmark://test/station/line-1");
  ASSERT_THAT(spool, IsOk());
  using A = Spool::Added;
  EXPECT_THAT(spool->Add({Make("a", "1"), Make("b", "2"), Make("a", "1"), Make("a", "other")}, kNow).value(),
              ElementsAre(A::kQueued, A::kQueued, A::kKnown, A::kNameTaken));
  const auto sent = spool->TakeQueued(10, kNow).value();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_TRUE(spool->TakeQueued(10, kNow).value().empty());
  ASSERT_THAT(spool->Requeue(), IsOk());
  EXPECT_EQ(spool->TakeQueued(10, kNow)->front().request.request_id(), sent[0].request.request_id());

  ASSERT_THAT(spool->Record({Certified(sent[0].id, "first"), {sent[1].id, std::nullopt, R"({"reason":"X"})"}}, kNow),
              IsOk());
  // An answer that came before stays.
  ASSERT_THAT(spool->Record({Certified(sent[0].id, "second"), {sent[0].id, std::nullopt, "{}"}}, kNow), IsOk());
  EXPECT_EQ(spool->Find("a")->certificate.certificate(), "first");
  EXPECT_EQ(spool->Undelivered(10)->size(), 2u);
  ASSERT_THAT(spool->MarkDelivered({sent[0].id, sent[1].id}, kNow), IsOk());
  EXPECT_TRUE(spool->Undelivered(10)->empty());
  EXPECT_EQ(spool->Find("a")->state, "delivered");
  EXPECT_EQ(spool->Find("b")->state, "refused");
  EXPECT_EQ(spool->Count()->refusals.at("X"), 1);

  // A delivered name is taken unless it is a rework; a refused one is free.
  EXPECT_THAT(
      spool->Add({Make("a", "other"), Make("a", "other", "rework"), Make("b", "mended"), Make("b", "2")}, kNow).value(),
      ElementsAre(A::kNameTaken, A::kQueued, A::kQueued, A::kKnownRefused));
  EXPECT_THAT(spool->MarkConfirmed(sent[0].id, kNow), IsOk());
  EXPECT_EQ(spool->Count()->by_state, (std::map<std::string, int64_t>{{"queued", 2}}));  // the others are replaced
}

TEST_F(SpoolTest, ARetryHasAnotherIdAndOnlyWhatIsRefusedIsTried) {
  auto spool = Spool::Claim(path(), "hallmark://test/station/line-1");
  ASSERT_THAT(spool, IsOk());
  ASSERT_THAT(spool->Add({Make("a", "1")}, kNow), IsOk());
  const Entry sent = spool->TakeQueued(1, kNow)->front();
  EXPECT_THAT(spool->Retry(sent, kNow), Fails(Code::kFailedPrecondition, reason::kRequestInvalid));
  ASSERT_THAT(spool->Record({{sent.id, std::nullopt, "{}"}}, kNow), IsOk());
  ASSERT_THAT(spool->Retry(*spool->Find("a"), kNow), IsOk());
  const Entry again = spool->TakeQueued(1, kNow)->front();
  EXPECT_EQ(again.id, sent.id);
  EXPECT_EQ(again.request.request_id(), sent.request.request_id() + ":1");
  EXPECT_EQ(spool->Add({Make("a", "1")}, kNow)->front(), Spool::Added::kKnown);
  // In a bundle, and then over the network after all.
  ASSERT_THAT(spool->MarkExported({sent.id}, "b-1", kNow), IsOk());
  EXPECT_TRUE(spool->TakeQueued(1, kNow)->empty());
  ASSERT_THAT(spool->Retry(*spool->Find("a"), kNow), IsOk());
  EXPECT_EQ(spool->TakeQueued(1, kNow)->front().request.request_id(), again.request.request_id());
}

TEST_F(SpoolTest, IsOneCallersAndOneSenders) {
  {
    auto spool = Spool::Claim(path(), "hallmark://test/station/line-1");
    ASSERT_THAT(spool, IsOk());
    EXPECT_THAT(Spool::Claim(path(), "hallmark://test/station/line-1"),
                Fails(Code::kUnavailable, reason::kStoreUnavailable));
    EXPECT_THAT(Spool::Open(path(), Database::Access::kReadOnly), IsOk());
  }
  EXPECT_THAT(Spool::Claim(path(), "hallmark://test/station/line-2"),
              Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid));
  EXPECT_THAT(Spool::Claim(path(), "hallmark://test/station/line-1"), IsOk());
  EXPECT_THAT(Spool::Open(directory_ / "none.db", Database::Access::kReadOnly),
              Fails(Code::kNotFound, reason::kFileUnreadable));
  std::ofstream(directory_ / "junk.db") << std::string(5000, 'x');
  EXPECT_THAT(Spool::Open(directory_ / "junk.db", Database::Access::kReadOnly),
              Fails(Code::kDataLoss, reason::kStoreCorrupt));
}

}  // namespace
}  // namespace hallmark::cli::station
