#include "tools/hallmark/profile_commands.h"

namespace hallmark::cli {

void AddProfile(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "profile", "What certificates may be: check profiles",
                               "  hallmark profile check policies/profiles/*.yaml\n"
                               "  hallmark profile schema > policies/profile.schema.json");
  group->require_subcommand(1);
  AddProfileCheck(*group, session);
  AddProfileSchema(*group, session);
}

}  // namespace hallmark::cli
