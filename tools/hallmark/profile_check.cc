// hallmark profile check|schema: for who writes profiles, without a service.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "policies/load.h"
#include "policies/shipped.h"
#include "tools/hallmark/profile_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr size_t kShownOfVersion = 12;

struct CheckOptions {
  std::vector<std::string> files;
  std::string realm = "hallmark.internal";
};

StatusOr<Profile> Check(const std::string& file, const std::string& realm) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kProfileLimit));
  return ParseProfile(std::filesystem::path(file).stem().string(), file, text, realm);
}

// The line that an error of the reader names: "FILE:LINE: FIELD: ...". 0: none, as of a file that cannot be read.
int LineOf(const std::string& file, const std::string& message) {
  int line = 0;
  if (message.starts_with(file + ":")) {
    std::from_chars(message.data() + file.size() + 1, message.data() + message.size(), line);
  }
  return line;
}

nlohmann::json Json(const std::string& file, const StatusOr<Profile>& profile) {
  if (profile.ok()) return {{"file", file}, {"valid", true}, {"name", profile->name}, {"version", profile->version}};
  nlohmann::json json = {{"file", file}, {"valid", false}, {"error", FailureJson(profile.status())}};
  if (const int line = LineOf(file, Message(profile.status())); line > 0) json["line"] = line;
  return json;
}

std::string Line(const std::string& file, const StatusOr<Profile>& profile) {
  if (!profile.ok()) return Message(profile.status());
  return fmt::format("{}: OK, {} version {}", file, profile->name, profile->version.substr(0, kShownOfVersion));
}

StatusOr<ExitCode> CheckFiles(Session& session, const CheckOptions& options) {
  bool valid = true;
  nlohmann::json profiles = nlohmann::json::array();
  for (const std::string& file : options.files) {
    const StatusOr<Profile> profile = Check(file, options.realm);
    valid = valid && profile.ok();
    if (session.json()) {
      profiles.push_back(Json(file, profile));
    } else {
      session.out << Printable(Line(file, profile)) << "\n";
    }
  }
  if (session.json()) session.PrintJson(nlohmann::json{{"valid", valid}, {"profiles", profiles}});
  return valid ? kDone : kFailed;
}

StatusOr<ExitCode> PrintSchema(Session& session) {
  for (const ShippedPolicy& policy : ShippedPolicies()) {
    if (policy.path == "profile.schema.json") session.out << policy.text;
  }
  return kDone;
}

}  // namespace

void AddProfileCheck(CLI::App& group, Session& session) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* check =
      AddCommand(group, "check", "Say whether files are profiles, or what is wrong: file, line, field and what to do",
                 "  hallmark profile check policies/profiles/*.yaml\n"
                 "  hallmark profile check device.yaml --output json");
  check->add_option("files", options->files, "Profiles, in YAML")->required();
  check->add_option("--realm", options->realm, "What {realm} stands for in them")->capture_default_str();
  check->callback([&session, options] { session.Finish(CheckFiles(session, *options)); });
}

void AddProfileSchema(CLI::App& group, Session& session) {
  CLI::App* schema =
      AddCommand(group, "schema", "Print the JSON Schema of profiles, by which editors help to write them",
                 "  hallmark profile schema > policies/profile.schema.json");
  schema->callback([&session] { session.Finish(PrintSchema(session)); });
}

}  // namespace hallmark::cli
