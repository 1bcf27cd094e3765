// hallmark profile list|show, and the group itself.
#include "tools/hallmark/profile_commands.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct ShowOptions {
  std::string name;
  std::string version;
  bool text = false;
};

std::string ShortName(const std::string& name) {
  const size_t slash = name.find('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

std::string LoadedOn(const v1::Profile& profile) {
  return profile.has_load_time() ? Rfc3339(absl::FromUnixSeconds(profile.load_time().seconds())) : "";
}

// Line by line, so that no comment of it can steer a terminal.
std::string PrintableText(const std::string& text) {
  std::string printable;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    printable += Printable(std::string_view(text).substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return printable;
}

StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ListProfilesResponse profiles, client.ListProfiles());
  if (session.json()) {
    session.PrintJson(profiles);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Profile& profile : profiles.profiles()) {
    rows.push_back(
        {ShortName(profile.name()), profile.version().substr(0, 12), LoadedOn(profile), profile.description()});
  }
  session.out << RenderTable({"NAME", "VERSION", "IN FORCE SINCE", "DESCRIPTION"}, rows, session.colored());
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const ShowOptions& options) {
  if (options.text && session.json())
    return UsageError("--text and --output json exclude each other; the JSON holds the text");
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Profile profile,
                   client.GetProfile("profiles/" + ShortName(options.name), options.version));
  if (session.json()) {
    session.PrintJson(profile);
  } else if (options.text) {
    session.out << profile.text();
  } else {
    session.out << RenderFields({{"Profile", profile.name()},
                                 {"Description", profile.description()},
                                 {"Version", profile.version()},
                                 {"State", profile.in_force() ? Cell("in force", Color::kGreen)
                                                              : Cell("not in force any more", Color::kYellow)},
                                 {profile.in_force() ? "Since" : "Last loaded", LoadedOn(profile)}},
                                session.colored())
                << "\n"
                << PrintableText(profile.text());
  }
  return kDone;
}

}  // namespace

void AddProfile(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "profile", "What certificates may be: the profiles, and what a change would do",
                               "  hallmark profile check policies/profiles/*.yaml\n"
                               "  hallmark profile list\n"
                               "  hallmark profile show device-dps\n"
                               "  hallmark profile try device-dps --csr device-1.csr\n"
                               "  hallmark profile replay new/device-dps.yaml --last 1000");
  group->require_subcommand(1);

  CLI::App* list = AddCommand(*group, "list", "List the profiles that are in force",
                              "  hallmark profile list\n"
                              "  hallmark profile list --output json | jq -r '.profiles[].version'");
  list->callback([&session] { session.Finish(List(session)); });

  const auto options = std::make_shared<ShowOptions>();
  CLI::App* show = AddCommand(*group, "show", "Show a profile as it is, or as it was when a certificate was issued",
                              "  hallmark profile show device-dps\n"
                              "  hallmark profile show device-dps --text > device-dps.yaml\n"
                              "  hallmark profile show device-dps --version 8f3c...");
  show->add_option("name", options->name, "Its name, e.g. device-dps")->required();
  show->add_option("--version", options->version, "As a certificate's profile_version says; the one in force if absent")
      ->type_name("SHA256");
  show->add_flag("--text", options->text, "Write the file itself");
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
  AddProfileCheck(*group, session);
  AddProfileSchema(*group, session);
  AddProfileTry(*group, session);
  AddProfileReplay(*group, session);
}

}  // namespace hallmark::cli
