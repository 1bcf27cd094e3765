// hallmark manifest new.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/yaml.h"
#include "factory/manifest_csv.h"
#include "tools/hallmark/manifest_commands.h"

namespace hallmark::cli {
namespace {

using nlohmann::json;

constexpr size_t kDevicesFileLimit = size_t{1} << 30;

struct Options {
  std::string manufacturer, product, lot, profile = "device-dps", authority = "devices";
  std::vector<std::string> stations;
  std::string devices, lines, prefix, id_scope, registration_id;
  int64_t first = 0, last = -1, width = 0, quantity = 0;
  std::string window = "90d";
  std::string out;
};

// CSV, made of a list of serial numbers if it is one.
StatusOr<std::string> ReadCsvOrList(const std::string& file) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(file, kDevicesFileLimit));
  const std::string first = text.substr(0, text.find('\n'));
  return first.find("serial") == first.npos ? "serial\n" + text : text;
}

StatusOr<LinesFile> Announce(const std::string& text) {
  LinesFile file{LinesFile::Format::kCsv, Sha256(AsBytes(text)), -1};
  std::istringstream in(text);
  CsvReader csv(*in.rdbuf());
  std::vector<std::string> values;
  for (bool more = true; more; ++file.count) {
    ASSIGN_OR_RETURN(more, csv.Next(values));
    if (!more) break;
  }
  return file;
}

json DeviceJson(const DeviceLine& line) {
  json device = {{"serial", line.serial}};
  if (!line.registration_id.empty()) device["registration_id"] = line.registration_id;
  if (line.spki.has_value()) device["spki_sha256"] = Hex(*line.spki);
  if (line.endorsement_key.has_value()) device["endorsement_key_sha256"] = Hex(*line.endorsement_key);
  if (!line.hardware.empty()) device["hardware"] = json::parse(line.hardware);
  return device;
}

// Adds the devices to the manifest and returns how many there are.
StatusOr<int64_t> AddDevices(const Options& options, json& manifest) {
  if (options.last >= 0) {
    manifest["serials"] = {
        {"prefix", options.prefix}, {"first", options.first}, {"last", options.last}, {"width", options.width}};
    return options.last - options.first + 1;
  }
  const bool beside = !options.lines.empty();
  if (beside == !options.devices.empty()) return UsageError("name one of --devices, --lines, and --first with --last");
  StatusOr<std::string> text = beside ? ReadFile(options.lines, kDevicesFileLimit) : ReadCsvOrList(options.devices);
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(const LinesFile file, Announce(*text));
  std::istringstream in(*text);
  json devices = json::array();
  RETURN_IF_ERROR(ReadLines(in, file, [&](const std::vector<DeviceLine>& lines, const std::vector<std::string>&) {
    for (const DeviceLine& line : lines) {
      if (!beside) devices.push_back(DeviceJson(line));
    }
    return absl::OkStatus();
  }));
  if (beside) {
    manifest["lines"] = {{"format", "csv"}, {"sha256", Hex(file.sha256)}, {"count", file.count}};
  } else {
    manifest["devices"] = devices;
  }
  return file.count;
}

StatusOr<ExitCode> New(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Duration window, yaml::ParseDuration(options.window));
  const Time now = session.clock.Now();
  json manifest = {{"hallmark_manifest", 1},
                   {"manufacturer", options.manufacturer},
                   {"product", options.product},
                   {"lot", options.lot},
                   {"revision", 1},
                   {"profile", options.profile},
                   {"authority", options.authority},
                   {"stations", options.stations},
                   {"window", {{"not_before", Rfc3339(now)}, {"not_after", Rfc3339(now + window)}}}};
  if (!options.registration_id.empty()) manifest["registration_id"] = options.registration_id;
  if (!options.id_scope.empty()) manifest["bootstrap"] = {{"type", "azure-dps"}, {"id_scope", options.id_scope}};
  ASSIGN_OR_RETURN(const int64_t count, AddDevices(options, manifest));
  manifest["quantity"] = options.quantity > 0 ? options.quantity : count;
  const std::string text = manifest.dump(2) + "\n";
  std::istringstream in(text);
  RETURN_IF_ERROR(ReadManifest(in).status());
  if (options.out.empty()) {
    session.out << text;
  } else {
    RETURN_IF_ERROR(WriteFile(options.out, AsBytes(text)));
  }
  return kDone;
}

}  // namespace

void AddManifestNew(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(group, "new", "Make the manifest of a new lot, which may be edited before it is signed",
                 "  hallmark manifest new --manufacturer acme --product sensor-2 --lot a-17 --profile device-dps \\\n"
                 "      --authority devices --station line-1 --devices serials.txt --out a-17.json\n"
                 "  hallmark manifest new --manufacturer acme --product sensor-2 --lot a-18 --profile device-dps \\\n"
                 "      --authority devices --station 'plant-2-*' --prefix SN --first 1 --last 1000 --width 6 "
                 "--id-scope 0ne00000001");
  command->add_option("--manufacturer", options->manufacturer, "Who announces and signs")->required();
  command->add_option("--product", options->product, "What is built")->required();
  command->add_option("--lot", options->lot, "The production order")->required();
  command->add_option("--profile", options->profile, "The profile of its certificates")->capture_default_str();
  command->add_option("--authority", options->authority, "The authority that issues them")->capture_default_str();
  command->add_option("--station", options->stations, "A station that may build it, or a glob of them; repeatable")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--devices", options->devices, "Serial numbers, one a line, or CSV; they come into the manifest")
      ->type_name("FILE");
  command->add_option("--lines", options->lines, "CSV that stays a file beside the manifest")->type_name("FILE");
  command->add_option("--prefix", options->prefix, "Of a range of serial numbers");
  command->add_option("--first", options->first, "The range's first number");
  command->add_option("--last", options->last, "The range's last number");
  command->add_option("--width", options->width, "Digits at least, with leading zeros");
  command->add_option("--quantity", options->quantity, "So many devices at most; all that are announced if left out");
  command->add_option("--window", options->window, "How long from now they may be built")
      ->check(IsDuration())
      ->capture_default_str();
  command->add_option("--registration-id", options->registration_id, "E.g. {product}-{serial}; {serial} if left out");
  command->add_option("--id-scope", options->id_scope, "Of the Device Provisioning Service where they find their hub");
  command->add_option("--out", options->out, "Where to write it; standard output if left out")->type_name("FILE");
  command->callback([&session, options] { session.Finish(New(session, *options)); });
}

}  // namespace hallmark::cli
