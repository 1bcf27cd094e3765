// Manifests and files of lines: what is read, what is refused and where it says the fault is; in bounded memory.
#include "factory/manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/reason.h"
#include "tests/command.h"
#include "tests/peak_memory.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kDigest(64, 'a');

// Each field of the format.
json Full() {
  return json::parse(R"({
    "hallmark_manifest": 1, "manufacturer": "acme", "product": "sensor-2", "lot": "a-17", "revision": 1,
    "profile": "device-dps", "authority": "devices",
    "stations": ["line-1", {"station": "plant-2-*", "quantity": 500, "rate": "600/min"}],
    "window": {"not_before": "2026-12-01T00:00:00Z", "not_after": "2027-01-31T23:59:59Z"},
    "quantity": 2, "registration_id": "{product}-{serial}",
    "reissue": {"per_device": 1, "total": 20, "previous": "keep"},
    "confirmation": {"within": "7d", "otherwise": "revoke"},
    "bootstrap": {"type": "azure-dps", "id_scope": "0ne00000001"},
    "devices": [{"serial": "SN1"},
                {"serial": "SN2", "registration_id": "sensor-two", "spki_sha256": ")" +
                     kDigest + R"(", "endorsement_key_sha256": ")" + kDigest +
                     R"(", "hardware": {"mac": "00:11", "bom": "ü"}}]
  })");
}

struct Read {
  StatusOr<Manifest> manifest = absl::UnknownError("");
  std::vector<DeviceLine> lines;
  std::vector<std::string> withdrawn;
  size_t largest = 0;
};

LineSink Into(Read& read) {
  return [&read](std::vector<DeviceLine> lines, std::vector<std::string> withdrawn) {
    read.largest = std::max(read.largest, lines.size() + withdrawn.size());
    std::move(lines.begin(), lines.end(), std::back_inserter(read.lines));
    std::move(withdrawn.begin(), withdrawn.end(), std::back_inserter(read.withdrawn));
    return absl::OkStatus();
  };
}

Read ReadAll(const std::string& text) {
  Read read;
  std::istringstream in(text);
  read.manifest = ReadManifest(in, Into(read));
  return read;
}

Status StatusOf(const std::string& text) {
  std::istringstream in(text);
  return ReadManifest(in).status();
}

std::vector<std::string> FieldsAtFault(const Status& status) {
  std::vector<std::string> fields;
  const std::vector<FieldViolation> violations = Fields(status);
  for (const FieldViolation& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(ManifestTest, ReadsEachField) {
  const std::string text = Full().dump(2);
  const Read read = ReadAll(text);
  ASSERT_TRUE(read.manifest.ok()) << read.manifest.status();
  const LotTerms& terms = read.manifest->terms;
  EXPECT_EQ(terms.manufacturer, "acme");
  EXPECT_EQ(terms.product, "sensor-2");
  EXPECT_EQ(terms.lot, "a-17");
  EXPECT_EQ(terms.revision, 1);
  EXPECT_EQ(terms.profile, "device-dps");
  EXPECT_EQ(terms.authority, "devices");
  ASSERT_EQ(terms.stations.size(), 2u);
  EXPECT_EQ(terms.stations[0].station, "line-1");
  EXPECT_EQ(terms.stations[0].quantity, std::nullopt);
  EXPECT_EQ(terms.stations[1].station, "plant-2-*");
  EXPECT_EQ(terms.stations[1].quantity, 500);
  EXPECT_EQ(terms.stations[1].rate, "600/min");
  EXPECT_EQ(Rfc3339(terms.not_before), "2026-12-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(terms.not_after), "2027-01-31T23:59:59Z");
  EXPECT_EQ(terms.quantity, 2);
  EXPECT_EQ(terms.registration_id, "{product}-{serial}");
  EXPECT_EQ(terms.reissue.per_device, 1);
  EXPECT_EQ(terms.reissue.total, 20);
  EXPECT_FALSE(terms.reissue.revoke_previous);
  EXPECT_EQ(terms.confirmation.within, absl::Hours(7 * 24));
  EXPECT_TRUE(terms.confirmation.revoke_unconfirmed);
  EXPECT_EQ(terms.bootstrap.type, "azure-dps");
  EXPECT_EQ(terms.bootstrap.global_endpoint, "global.azure-devices-provisioning.net");
  EXPECT_EQ(terms.bootstrap.id_scope, "0ne00000001");
  EXPECT_EQ(read.manifest->devices, 2);
  EXPECT_EQ(read.manifest->withdrawals, 0);
  EXPECT_EQ(read.manifest->digest, Sha256(AsBytes(text)));
  ASSERT_EQ(read.lines.size(), 2u);
  EXPECT_EQ(read.lines[0].serial, "SN1");
  EXPECT_EQ(read.lines[0].registration_id, "");
  EXPECT_EQ(read.lines[0].spki, std::nullopt);
  EXPECT_EQ(read.lines[0].hardware, "");
  EXPECT_EQ(read.lines[1].registration_id, "sensor-two");
  EXPECT_EQ(Hex(read.lines[1].spki.value()), kDigest);
  EXPECT_EQ(Hex(read.lines[1].endorsement_key.value()), kDigest);
  EXPECT_EQ(read.lines[1].hardware, R"({"bom":"ü","mac":"00:11"})");
  json header = Full();
  header.erase("devices");
  EXPECT_EQ(read.manifest->header, header.dump());
}

TEST(ManifestTest, TermsMayStandAfterTheLines) {
  const json full = Full();
  json rest = full;
  rest.erase("devices");
  const std::string text = "{\"devices\":" + full["devices"].dump() + "," + rest.dump().substr(1);
  const Read read = ReadAll(text);
  ASSERT_TRUE(read.manifest.ok()) << read.manifest.status();
  EXPECT_EQ(read.lines.size(), 2u);
  EXPECT_EQ(read.manifest->header, rest.dump());
}

TEST(ManifestTest, RangesFilesAndAmendments) {
  json range = Full();
  range.erase("devices");
  range["serials"] = {{"prefix", "SN"}, {"first", 1}, {"last", 1000}, {"width", 6}};
  range["quantity"] = 1000;
  const Read of_range = ReadAll(range.dump());
  ASSERT_TRUE(of_range.manifest.ok()) << of_range.manifest.status();
  EXPECT_EQ(of_range.manifest->terms.serials, (SerialRange{"SN", 1, 1000, 6}));

  json file = Full();
  file["lines"] = {{"format", "jsonl"}, {"sha256", kDigest}, {"count", 98}};
  file["quantity"] = 100;
  const Read of_file = ReadAll(file.dump());
  ASSERT_TRUE(of_file.manifest.ok()) << of_file.manifest.status();
  EXPECT_EQ(of_file.manifest->lines->format, LinesFile::Format::kJsonLines);
  EXPECT_EQ(of_file.manifest->lines->count, 98);
  EXPECT_EQ(Hex(of_file.manifest->lines->sha256), kDigest);

  json amendment = Full();
  amendment["revision"] = 2;
  amendment["quantity"] = 5'000'000;
  amendment["withdraw"] = {"SN3", "SN4"};
  amendment.erase("devices");
  const Read of_amendment = ReadAll(amendment.dump());
  ASSERT_TRUE(of_amendment.manifest.ok()) << of_amendment.manifest.status();
  EXPECT_THAT(of_amendment.withdrawn, ElementsAre("SN3", "SN4"));
  EXPECT_EQ(of_amendment.manifest->withdrawals, 2);
  EXPECT_THAT(of_amendment.manifest->header, Not(HasSubstr("withdraw")));
}

TEST(ManifestTest, EachFaultNamesItsField) {
  const auto set = [](const char* pointer, json value) {
    return [=](json& m) { m[json::json_pointer(pointer)] = value; };
  };
  const auto range = [](json serials) {
    return [=](json& m) {
      m.erase("devices");
      m["serials"] = serials;
    };
  };
  const struct {
    std::vector<std::string> fields;
    std::function<void(json&)> change;
  } kCases[] = {{{"hallmark_manifest"}, set("/hallmark_manifest", 2)},
                {{"hallmark_manifest"}, [](json& m) { m.erase("hallmark_manifest"); }},
                {{"manufacturer"}, set("/manufacturer", "Acme")},
                {{"product"}, set("/product", "")},
                {{"lot"}, set("/lot", std::string(64, 'a'))},
                {{"lot"}, set("/lot", "-a")},
                {{"lot"}, set("/lot", 17)},
                {{"revision"}, set("/revision", 0)},
                {{"revision"}, set("/revision", 1.0)},
                {{"profile"}, [](json& m) { m.erase("profile"); }},
                {{"authority"}, set("/authority", nullptr)},
                {{"stations"}, set("/stations", json::array())},
                {{"stations"}, set("/stations", "line-1")},
                {{"stations[0]"}, set("/stations/0", "Line 1")},
                {{"stations[1]"}, set("/stations/1", "line-1")},
                {{"stations[1].quantity"}, set("/stations/1/quantity", 0)},
                {{"stations[1].rate"}, set("/stations/1/rate", "600/year")},
                {{"stations[1].rate"}, set("/stations/1/rate", "0/min")},
                {{"stations[1].rate"}, set("/stations/1/rate", "1000001/min")},
                {{"stations[1].rates"}, set("/stations/1/rates", "1/min")},
                {{"window"}, [](json& m) { m.erase("window"); }},
                {{"window.not_before"}, set("/window/not_before", "2026-12-01")},
                {{"window.not_before"}, set("/window/not_before", "2026-02-30T00:00:00Z")},
                {{"window.not_before"}, set("/window/not_before", "")},
                {{"window.not_before"}, set("/window/not_before", "2026-12-01T00:00:00+01:00")},
                {{"window.not_after"}, set("/window/not_after", "2026-12-01T00:00:00Z")},
                {{"quantity"}, set("/quantity", 0)},
                {{"quantity"}, set("/quantity", 3)},
                {{"quantity"}, set("/quantity", 10'000'001)},
                {{"quantity"}, set("/quantity", -1)},
                {{"quantity"}, set("/quantity", 18446744073709551615u)},
                {{"quantity"}, set("/quantity", "2")},
                {{"registration_id"}, set("/registration_id", "{lot}")},
                {{"registration_id"}, set("/registration_id", "{serial}-{colour}")},
                {{"registration_id"}, set("/registration_id", "{serial}-{")},
                {{"registration_id"}, set("/registration_id", "{serial} x")},
                {{"reissue.per_device"}, set("/reissue/per_device", 11)},
                {{"reissue.total"}, set("/reissue/total", 0)},
                {{"reissue.previous"}, set("/reissue/previous", "forget")},
                {{"reissue"}, set("/reissue", true)},
                {{"confirmation.within"}, set("/confirmation/within", "soon")},
                {{"confirmation.within"}, set("/confirmation/within", "1s")},
                {{"confirmation.otherwise"}, set("/confirmation/otherwise", "pray")},
                {{"bootstrap.type"}, set("/bootstrap/type", "other")},
                {{"bootstrap.id_scope"}, [](json& m) { m["bootstrap"].erase("id_scope"); }},
                {{"bootstrap.global_endpoint"}, set("/bootstrap/global_endpoint", "https://x")},
                {{"devices"}, [](json& m) { m.erase("devices"); }},
                {{"devices"}, set("/devices", 1)},
                {{"devices"}, set("/devices", json::object())},
                {{"devices[0]"}, set("/devices/0", "SN1")},
                {{"devices[0].serial"}, set("/devices/0", json::object())},
                {{"devices[0].serial"}, set("/devices/0/serial", "SN 1")},
                {{"devices[0].seral"}, set("/devices/0/seral", "SN1")},
                {{"devices[1].spki_sha256"}, set("/devices/1/spki_sha256", "aa")},
                {{"devices[1].endorsement_key_sha256"}, set("/devices/1/endorsement_key_sha256", std::string(64, 'g'))},
                {{"devices[1].hardware.mac"}, set("/devices/1/hardware/mac", 1)},
                {{"devices[1].hardware.mac"}, set("/devices/1/hardware/mac", std::string(129, 'a'))},
                {{"devices[1].hardware"}, set("/devices/1/hardware/MAC", "x")},
                {{"devices[1].registration_id"}, set("/devices/1/registration_id", "a b")},
                {{"devices[1].registration_id"}, set("/devices/1/registration_id", "ends.")},
                {{"devices[1].registration_id"}, set("/devices/1/registration_id", std::string(65, 'a'))},
                {{"devices[0].serial"}, set("/devices/0/serial", "SN+1")},
                {{"devices[0].serial"}, set("/devices/0/serial", "SN1.")},
                {{"devices[0].serial"}, set("/devices/0/serial", std::string(60, 'S'))},
                {{"withdraw"}, set("/withdraw", json::array({"SN1"}))},
                {{"withdraw[0]"}, set("/withdraw", json::array({1}))},
                {{"serials"}, set("/serials", {{"first", 1}, {"last", 2}})},
                {{"quantity"}, range({{"prefix", "S"}, {"first", 1}, {"last", 1}})},
                {{"serials.last"}, range({{"prefix", "S"}, {"first", 3}, {"last", 1}})},
                {{"serials.width"}, range({{"prefix", "S"}, {"first", 1}, {"last", 2}, {"width", 19}})},
                {{"serials.prefix"}, range({{"prefix", "S N"}, {"first", 1}, {"last", 2}})},
                {{"registration_id"}, range({{"prefix", "S+"}, {"first", 1}, {"last", 2}})},
                {{"lines.format", "lines.sha256", "lines.count"}, set("/lines", json::object())},
                {{"lines.count"}, set("/lines", {{"format", "csv"}, {"sha256", kDigest}, {"count", 5'000'000}})},
                {{"unknown"}, set("/unknown", 1)},
                {{"manufacturer", "quantity", "unknown", "devices[0].serial"}, [](json& m) {
                   m["manufacturer"] = "ACME";
                   m["quantity"] = "many";
                   m["unknown"] = 1;
                   m["devices"][0]["serial"] = "";
                 }}};
  for (const auto& c : kCases) {
    json manifest = Full();
    c.change(manifest);
    SCOPED_TRACE(manifest.dump());
    const Status status = StatusOf(manifest.dump());
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(Reason(status), reason::kManifestInvalid);
    EXPECT_THAT(FieldsAtFault(status), ::testing::UnorderedElementsAreArray(c.fields)) << status;
  }
}

TEST(ManifestTest, AMisspeltFieldIsExplained) {
  json manifest = Full();
  manifest["quantiy"] = 2;
  EXPECT_THAT(Message(StatusOf(manifest.dump())), HasSubstr("did you mean quantity?"));
}

TEST(ManifestTest, ManyFaultsAreCut) {
  json manifest = Full();
  manifest["devices"] = json::array();
  for (int i = 0; i < 1000; ++i) manifest["devices"].push_back({{"serial", "S S"}});
  const Status status = StatusOf(manifest.dump());
  EXPECT_THAT(Message(status), AllOf(HasSubstr("devices[0].serial"), HasSubstr("more than 20 were not looked for")));
  EXPECT_LT(Message(status).size(), 4096u);
}

TEST(ManifestTest, WhatIsNoJsonOrTooLargeIsRefused) {
  const std::string full = Full().dump();
  const std::string open = full.substr(0, full.size() - 1);
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const struct {
    std::string text;
    const char* reason;
    const char* message;
  } kCases[] = {
      {"", reason::kManifestInvalid, "parse error"},
      {"[]", reason::kManifestInvalid, "is not a JSON object"},
      {"1", reason::kManifestInvalid, "is not a JSON object"},
      {"hello", reason::kManifestInvalid, "parse error"},
      {open, reason::kManifestInvalid, "parse error"},
      {full + "x", reason::kManifestInvalid, "parse error"},
      {full + full, reason::kManifestInvalid, "parse error"},
      {open + ",\"lot\":\"a-17\"}", reason::kManifestInvalid, "has \"lot\" twice"},
      {open + ",\"devices\":[]}", reason::kManifestInvalid, "has \"devices\" twice"},
      {open + ",\"x\":{\"a\":1,\"a\":1}}", reason::kManifestInvalid, "has \"a\" twice"},
      {"{\"devices\":[{\"serial\":\"A\",\"serial\":\"B\"}]}", reason::kManifestInvalid,
       "devices[0]: has \"serial\" twice"},
      {open + ",\"x\":\"\xff\"}", reason::kManifestInvalid, "ill-formed UTF-8"},
      {open + ",\"x\":" + nested(9) + "}", reason::kManifestInvalid, "nested"},
      {open + ",\"x\":" + nested(1'000'000) + "}", reason::kManifestInvalid, "nested"},
      {open + ",\"x\":\"" + std::string(5000, 'a') + "\"}", reason::kManifestTooLarge, "of more than 4096"},
      {open + ",\"x\":\"" + std::string(9'000'000, '\\') + "\"}", reason::kManifestTooLarge, "of more than 4096"},
      {open + ",\"x\":" + std::string(5000, '1') + "}", reason::kManifestTooLarge, "of more than 4096"},
      {open + std::string(5000, ' ') + "}", reason::kManifestTooLarge, "of more than 4096"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text.substr(0, 80));
    const Status status = StatusOf(c.text);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(Reason(status), c.reason);
    EXPECT_THAT(Message(status), HasSubstr(c.message));
  }
  json wide = Full();
  for (int i = 0; i < 100; ++i) wide[fmt::format("field{}", i)] = std::string(4000, 'a');
  EXPECT_EQ(Reason(StatusOf(wide.dump())), reason::kManifestTooLarge);
  json device = Full();
  for (int i = 0; i < 10; ++i) device["devices"][0][fmt::format("field{}", i)] = std::string(4000, 'a');
  EXPECT_THAT(Message(StatusOf(device.dump())), HasSubstr("devices[0] has more than"));
}

TEST(ManifestTest, LinesComeInBatchesAndASinkMayEndIt) {
  json manifest = Full();
  manifest["devices"] = json::array();
  for (int i = 0; i < 2500; ++i) manifest["devices"].push_back({{"serial", fmt::format("SN{}", i)}});
  const Read read = ReadAll(manifest.dump());
  ASSERT_TRUE(read.manifest.ok()) << read.manifest.status();
  EXPECT_EQ(read.lines.size(), 2500u);
  EXPECT_EQ(read.largest, 1000u);
  EXPECT_EQ(read.lines[2499].serial, "SN2499");
  std::istringstream in(manifest.dump());
  int calls = 0;
  const Status status = ReadManifest(in, [&calls](auto&&, auto&&) {
                          ++calls;
                          return absl::UnavailableError("full");
                        }).status();
  EXPECT_EQ(status, absl::UnavailableError("full"));
  EXPECT_EQ(calls, 1);
}

LinesFile Announced(const std::string& text, int64_t count, LinesFile::Format format = LinesFile::Format::kCsv) {
  return {format, Sha256(AsBytes(text)), count};
}

struct FileRead {
  Status status;
  Read lines;
};

FileRead ReadFileOf(const std::string& text, int64_t count, LinesFile::Format format = LinesFile::Format::kCsv) {
  FileRead read;
  std::istringstream in(text);
  read.status = ReadLines(in, Announced(text, count, format), Into(read.lines));
  return read;
}

TEST(ManifestLinesTest, ReadsCsv) {
  const std::string text =
      "\xEF\xBB\xBFserial,\"registration_id\",spki_sha256,endorsement_key_sha256,hardware.mac,hardware.note,action\r\n"
      "SN1,,,,,,\r\n"
      "SN2,two," +
      kDigest + "," + kDigest + ",00:11,\"a \"\"b\"\", c\",add\n\n" + "SN3,,,,,,withdraw";
  const FileRead read = ReadFileOf(text, 3);
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.lines.lines.size(), 2u);
  EXPECT_EQ(read.lines.lines[0].serial, "SN1");
  EXPECT_EQ(read.lines.lines[0].hardware, "");
  EXPECT_EQ(read.lines.lines[1].registration_id, "two");
  EXPECT_EQ(Hex(read.lines.lines[1].spki.value()), kDigest);
  EXPECT_EQ(Hex(read.lines.lines[1].endorsement_key.value()), kDigest);
  EXPECT_EQ(read.lines.lines[1].hardware, R"({"mac":"00:11","note":"a \"b\", c"})");
  EXPECT_THAT(read.lines.withdrawn, ElementsAre("SN3"));
}

TEST(ManifestLinesTest, ReadsJsonLines) {
  const std::string text =
      "{\"serial\":\"SN1\",\"hardware\":{\"mac\":\"1\"}}\r\n\n{\"withdraw\":\"SN2\"}\n{\"serial\":\"SN3\"}";
  const FileRead read = ReadFileOf(text, 3, LinesFile::Format::kJsonLines);
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.lines.lines.size(), 2u);
  EXPECT_EQ(read.lines.lines[0].hardware, R"({"mac":"1"})");
  EXPECT_EQ(read.lines.lines[1].serial, "SN3");
  EXPECT_THAT(read.lines.withdrawn, ElementsAre("SN2"));
}

TEST(ManifestLinesTest, RefusesWithTheLine) {
  constexpr auto kCsv = LinesFile::Format::kCsv;
  constexpr auto kJsonLines = LinesFile::Format::kJsonLines;
  const struct {
    LinesFile::Format format;
    std::string text;
    const char* message;
  } kCases[] = {
      {kCsv, "", "line 1: the file is empty"},
      {kCsv, "mac\nx\n", "line 1: \"mac\" is no column"},
      {kCsv, "registration_id\nx\n", "line 1: names no column serial"},
      {kCsv, "serial,serial\n1,2\n", "line 1: names the column \"serial\" twice"},
      {kCsv, "serial\nSN1\nSN 2\n", "line 3: serial: "},
      {kCsv, "serial,action\nSN1,remove\n", "line 2: action: "},
      {kCsv, "serial,action\n,withdraw\n", "line 2: serial: is required"},
      {kCsv, "serial,action\nSN1\n", "line 2: has 1 values for 2 columns"},
      {kCsv, "serial\nSN1,\n", "line 2: has 2 values for 1 columns"},
      {kCsv, "serial\n\"SN1\n", "line 2: has a quoted value without its closing quote"},
      {kCsv, "serial\n\"SN1\"x\n", "line 2: has text between a closing quote"},
      {kCsv, "serial\nSN\"1\n", "line 2: has a quote inside a value"},
      {kCsv, "serial\nSN1\rSN2\n", "line 2: has a carriage return"},
      {kCsv, "serial,hardware.note\n\"S1\",\"a\nb\"\nS2,\xff\n", "line 2: hardware.note: "},
      {kCsv, "serial,hardware.note\n\"S1\",a\n\n\nS2,\xff\n", "line 5: hardware.note: "},
      {kCsv, "serial,hardware.N\nS1,a\n", "line 2: hardware: "},
      {kCsv, "serial\n" + std::string(20'000, 'a') + "\n", "line 2: has more than 16384 octets"},
      {kCsv, "serial\n\"" + std::string(20'000, 'a') + "\"\n", "line 2: has more than 16384 octets"},
      {kCsv, "serial\n" + std::string(200, ',') + "\n", "line 2: has more than 64 values"},
      {kCsv, "serial\n1\n2\n3\n4\n5\n6\n7\n8\n", "line 9: the manifest announces 7 lines"},
      {kCsv, "serial\n1\n", "lines.count: is 7, but the file has 1 lines"},
      {kJsonLines, "{\"serial\":\"1\"}\nx\n", "line 2: parse error"},
      {kJsonLines, "{\"serial\":\"1\",\"serial\":\"1\"}\n", "line 1: has \"serial\" twice"},
      {kJsonLines, "\n[]\n", "line 2: "},
      {kJsonLines, "{\"serial\":\"1\",\"withdraw\":\"1\"}\n", "line 1: serial: there is no such field"},
      {kJsonLines, "{\"withdraw\":7}\n", "line 1: withdraw: "},
      {kJsonLines, "{\"serial\":\"" + std::string(20'000, 'a') + "\"}\n", "line 1: has more than 16384 octets"},
      {kJsonLines, std::string(10'000, '['), "line 1: is nested"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text.substr(0, 80));
    const FileRead read = ReadFileOf(c.text, 7, c.format);
    EXPECT_EQ(read.status.code(), Code::kInvalidArgument);
    EXPECT_EQ(Reason(read.status), reason::kManifestInvalid);
    EXPECT_THAT(Message(read.status), HasSubstr(c.message));
  }
}

TEST(ManifestLinesTest, AnotherFileThanTheAnnouncedIsRefused) {
  LinesFile announced = Announced("serial\nSN1\n", 1);
  std::istringstream in("serial\nSN2\n");
  const Status status = ReadLines(in, announced, nullptr);
  EXPECT_THAT(Message(status), HasSubstr("lines.sha256"));
}

TEST(ManifestTest, AMillionLinesNeedLittleMemory) {
  testing::TemporaryDirectory directory;
  const std::filesystem::path file = directory / "manifest.json";
  {
    std::ofstream out(file);
    json header = Full();
    header.erase("devices");
    header["quantity"] = 1'000'000;
    out << header.dump().substr(0, header.dump().size() - 1) << ",\"devices\":[";
    for (int i = 0; i < 1'000'000; ++i) {
      out << (i == 0 ? "" : ",\n") << fmt::format(R"({{"serial":"SN{:07}","spki_sha256":"{}"}})", i, kDigest);
    }
    out << "]}";
  }
  const auto read = [&file] {
    std::ifstream in(file);
    int64_t lines = 0;
    const auto count = [&lines](const std::vector<DeviceLine>& batch, const std::vector<std::string>&) {
      lines += static_cast<int64_t>(batch.size());
      return absl::OkStatus();
    };
    return ReadManifest(in, count).ok() && lines == 1'000'000;
  };
  testing::ExpectLittleMemory(read, 100);
}

TEST(ManifestTest, TheSchemaIsTheFileAndAcceptsTheExample) {
  testing::TemporaryDirectory directory;
  std::ifstream schema(testing::SourceDirectory() + "/factory/manifest.schema.json");
  std::ostringstream text;
  text << schema.rdbuf();
  EXPECT_EQ(ManifestSchema(), text.str());
  std::ofstream(directory / "schema.json") << ManifestSchema();
  const auto judge = [&](const json& manifest) {
    std::ofstream(directory / "manifest.json") << manifest.dump();
    return testing::RunCommand(
        fmt::format("cd {} && python3 -c 'import json, jsonschema; "
                    "jsonschema.Draft202012Validator.check_schema(json.load(open(\"schema.json\"))); "
                    "jsonschema.Draft202012Validator(json.load(open(\"schema.json\"))).validate(json.load(open("
                    "\"manifest.json\"))); print(\"valid\")'",
                    directory.path().string()));
  };
  EXPECT_EQ(judge(Full()).output, "valid\n");
  json bad = Full();
  bad["devices"][0]["serial"] = "S N";
  EXPECT_THAT(judge(bad).output, HasSubstr("ValidationError"));
}

}  // namespace
}  // namespace hallmark
