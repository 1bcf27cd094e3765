#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <latch>

#include "base/bytes.h"
#include "base/file.h"
#include "base/periodic.h"
#include "base/reason.h"
#include "base/secret.h"
#include "base/yaml.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::TemporaryDirectory;

TEST(StatusTest, CarriesReasonFieldsAndRetryThroughAnnotations) {
  const Status status = Annotate(
      WithRetry(FieldErrors(reason::kKeyWeak, {{"csr.key", "too small"}, {"csr.name", "a;b"}}), absl::Seconds(2)),
      "station 1");
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Reason(status), reason::kKeyWeak);
  EXPECT_EQ(Message(status), "station 1: csr.key: too small; csr.name: a;b");
  ASSERT_EQ(Fields(status).size(), 2u);
  EXPECT_EQ(Fields(status)[1].field, "csr.name");
  EXPECT_EQ(Fields(status)[1].description, "a;b");
  EXPECT_EQ(RetryDelay(status), absl::Seconds(2));
  EXPECT_EQ(RetryDelay(absl::UnavailableError("x")), std::nullopt);
}

TEST(HexTest, ReadsWhatItWritesAndNothingElse) {
  EXPECT_EQ(Hex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(FromHex("00ABff").value(), (Bytes{0x00, 0xab, 0xff}));
  for (const char* bad : {"0", "0g", " 00", "0x00", "00 "})
    EXPECT_THAT(FromHex(bad), Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << bad;
}

TEST(Base64Test, ReadsWhatItWritesAndNothingElse) {
  for (const Bytes& bytes : {Bytes{}, Bytes{0}, Bytes{0xfb, 0xff}, Bytes(49, 0x5a)}) {
    EXPECT_EQ(FromBase64(Base64(bytes)).value(), bytes);
  }
  for (const char* bad : {"A", "AA", "AAA", "AA==\n", " AA==", "A=A=", "AAAA=", "====", "-_-_", "AA=A"})
    EXPECT_THAT(FromBase64(bad), Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << bad;
}

TEST(PemTest, ReadsWhatItWrites) {
  for (size_t size : {1, 2, 3, 47, 48, 49, 1000}) {
    const Bytes der(size, 0x5a);
    const std::string text = PemEncode("CERTIFICATE", der);
    EXPECT_THAT(PemDecode("CERTIFICATE", text + text).value(), ElementsAre(der, der)) << size;
  }
}

TEST(PemTest, RefusesWhateverIsNotBlocksAlone) {
  const std::string good = PemEncode("CERTIFICATE", Bytes(50, 0x5a));
  const std::string body = good.substr(28, 64);
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"empty", ""},
      {"rubbish before", "rubbish\n" + good},
      {"rubbish after", good + "rubbish\n"},
      {"rubbish between", good + "x" + good},
      {"another label", PemEncode("CERTIFICATE REQUEST", Bytes(50, 0x5a))},
      {"no end", good.substr(0, good.size() - 20)},
      {"nothing inside", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
      {"not base64", "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n"},
      {"dashes after the base64", "-----BEGIN CERTIFICATE-----\nMAAC----\n-----END CERTIFICATE-----\n"},
      {"padding within", "-----BEGIN CERTIFICATE-----\nAA==AAAA\n-----END CERTIFICATE-----\n"},
      {"too much padding", "-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n"},
      {"cut off", "-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----\n"},
      {"a header", "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\n" + body + "-----END CERTIFICATE-----\n"},
      {"a NUL", good + std::string(1, '\0')},
  };
  for (const auto& [name, text] : cases) {
    EXPECT_THAT(PemDecode("CERTIFICATE", text), Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << name;
  }
}

TEST(FileTest, ReplacesAFileWholeAndKeepsItsMode) {
  const TemporaryDirectory directory;
  const auto path = directory / "file";
  ASSERT_THAT(WriteFile(path, AsBytes("one"), 0600), IsOk());
  ASSERT_THAT(WriteFile(path, AsBytes("two"), 0600), IsOk());
  EXPECT_EQ(ReadFile(path).value(), "two");
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);  // no temporary is left
}

TEST(FileTest, ReadsUpToItsLimit) {
  const TemporaryDirectory directory;
  ASSERT_THAT(WriteFile(directory / "file", Bytes(100)), IsOk());
  EXPECT_THAT(ReadFile(directory / "file", 100), IsOk());
  EXPECT_THAT(ReadFile(directory / "file", 99), Fails(Code::kInvalidArgument, reason::kFileUnreadable));
  EXPECT_THAT(ReadFile(directory / "none"), Fails(Code::kNotFound, reason::kFileUnreadable));
}

TEST(FileTest, RefusesASecretThatOthersCanRead) {
  const TemporaryDirectory directory;
  ASSERT_THAT(WriteFile(directory / "pin", AsBytes("1234\nsecond line"), 0640), IsOk());
  EXPECT_EQ(ReadSecretFile(directory / "pin").value().Reveal(), "1234");
  chmod((directory / "pin").c_str(), 0644);
  EXPECT_THAT(ReadSecretFile(directory / "pin"), Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
}

TEST(SecretTest, IsEmptyOnceMoved) {
  std::string text = "a secret that is longer than a small string";
  Secret first(std::move(text));
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second.Reveal(), "a secret that is longer than a small string");
}

Status ReadExample(const std::string& text) {
  return yaml::ParseMapping("example.yaml", text, [](yaml::Mapping& top) {
    top.Required<std::string>("name");
    top.Optional<int64_t>("count", 1);
    top.Optional<Duration>("life", absl::Hours(1));
    top.Optional<bool>("on", false);
    top.Optional<std::vector<std::string>>("list", {});
    top.Nested("inner", [](yaml::Mapping& inner) {
      inner.Required<std::string>("a");
      return inner.Finish();
    });
    top.Each("each", [](yaml::Mapping& element) {
      element.Required<std::string>("b");
      return element.Finish();
    });
    return top.Finish();
  });
}

TEST(YamlTest, ReadsAMapping) {
  EXPECT_THAT(
      ReadExample(
          "name: x\ncount: 7\nlife: 30d\non: true\nlist: [a, b]\ninner: {a: 1}\neach:\n  - {b: 1}\n  - {b: 2}\n"),
      IsOk());
}

TEST(YamlTest, NamesFileLineAndFieldOfWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"count: 1", "example.yaml:1: name: is required"},
      {"name: x\nnam: y", "example.yaml:2: nam: unknown field"},
      {"name: x\nname: y", "example.yaml:2: name: stands here twice"},
      {"name: [x]", "example.yaml:1: name: expected a value, found a list"},
      {"name: x\ncount: many", "example.yaml:2: count: expected a whole number, found 'many'"},
      {"name: x\ncount: 99999999999999999999", "count: expected a whole number"},
      {"name: x\nlife: 5 days", "example.yaml:2: life: '5 days' is not a duration"},
      {"name: x\non: yes", "on: expected true or false, found 'yes'"},
      {"name: x\nlist: a", "list: expected a list, found a value"},
      {"name: x\ninner:\n  a: 1\n  c: 2", "example.yaml:4: inner.c: unknown field"},
      {"name: x\neach:\n  - {b: 1}\n  - {d: 2}", "example.yaml:4: each[1].b: is required"},
      {"- a list", "example.yaml:1: expected a mapping, found a list"},
      {"", "expected a mapping, found nothing"},
      {"name: [x", "not YAML"},
  };
  for (const auto& [text, message] : cases) {
    const Status status = ReadExample(text);
    EXPECT_THAT(status, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << text;
    EXPECT_THAT(Message(status), HasSubstr(message)) << text;
  }
}

TEST(PeriodicTest, WorksAtOnceAndAgainAfterEachPeriod) {
  std::latch three(3);
  const Periodic periodic(absl::Milliseconds(1), [&, count = 0](const std::atomic<bool>&) mutable {
    if (++count <= 3) three.count_down();
  });
  three.wait();
}

TEST(PeriodicTest, RestsFirstWhenToldToUnlessNotified) {
  std::latch worked(1);
  std::atomic<int> calls = 0;
  const auto work = [&](const std::atomic<bool>&) {
    if (++calls == 1) worked.count_down();
  };
  { const Periodic resting(absl::Hours(1), work, Periodic::Start::kAfterPeriod); }
  EXPECT_EQ(calls, 0);
  Periodic notified(absl::Hours(1), work, Periodic::Start::kAfterPeriod);
  notified.Notify();
  worked.wait();
}

TEST(PeriodicTest, WorksWhenNotifiedAlsoFromWithinItsWork) {
  std::latch twice(2);
  std::atomic<int> calls = 0;
  std::optional<Periodic> periodic;
  std::latch made(1);
  periodic.emplace(absl::Hours(1), [&](const std::atomic<bool>&) {
    made.wait();
    if (++calls == 1) periodic->Notify();
    if (calls <= 2) twice.count_down();
  });
  made.count_down();
  twice.wait();
  EXPECT_EQ(calls, 2);
}

TEST(PeriodicTest, TellsLongWorkThatItStopsAndWaitsForIt) {
  bool ended = false;
  std::latch begun(1);
  {
    const Periodic periodic(absl::Hours(1), [&](const std::atomic<bool>& stopping) {
      begun.count_down();
      while (!stopping) std::this_thread::yield();
      ended = true;
    });
    begun.wait();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace hallmark
