#include "tools/hallmark/session.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "base/edit_distance.h"
#include "base/reason.h"
#include "base/yaml.h"

namespace hallmark::cli {
namespace {

constexpr char kFooter[] = R"(CONTEXT
  A YAML file that says where the service is and who you are: --context FILE, else $HALLMARK_CONTEXT, else
  ./context.yaml, else ~/.config/hallmark/context.yaml. `hallmark init DIR` makes a service with its contexts.

EXIT CODES
  0 done   1 failed   2 usage   3 refused (in part)   4 unavailable (retry)   5 not found   6 permission
  7 something differs (profile replay, lot reconcile, publish reconcile)

EXAMPLES
  hallmark init demo
  hallmark --context demo/contexts/station.yaml certificate issue device-1.csr --out issued
  hallmark certificate list --output json
  source <(hallmark completion bash))";

// The command that was being called, as far as the command line was understood.
CLI::App* Deepest(CLI::App& app) {
  CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  return deepest;
}

std::string PathOf(const CLI::App* app) {
  const std::string name = app->get_name();
  return app->get_parent() == nullptr ? name : PathOf(app->get_parent()) + " " + name;
}

Status ParseFailure(CLI::App& app, const CLI::ParseError& error) {
  CLI::App* command = Deepest(app);
  const std::string path = PathOf(command);
  const std::vector<std::string> rest = app.remaining(true);
  const std::string help = fmt::format("; see: {} --help", path);
  if (rest.empty() || command->get_subcommands({}).empty()) return UsageError(error.what() + help);
  std::string nearest;
  for (const CLI::App* candidate : command->get_subcommands({})) {
    const size_t distance = EditDistance(rest[0], candidate->get_name());
    if (distance > 2 || (!nearest.empty() && distance >= EditDistance(rest[0], nearest))) continue;
    nearest = candidate->get_name();
  }
  return UsageError(fmt::format("'{}' is not a command of {}{}{}", rest[0], path,
                                nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest),
                                nearest.empty() ? help : ""));
}

}  // namespace

StatusOr<std::filesystem::path> Session::FindContextFile() const {
  return FindContext({context_file, environment.context, environment.home});
}

StatusOr<Context> Session::LoadContext() const {
  ASSIGN_OR_RETURN(const std::filesystem::path file, FindContextFile());
  return ReadContext(file);
}

StatusOr<Client> Session::Connect() const {
  ASSIGN_OR_RETURN(const Context context, LoadContext());
  return Client(context, clock);
}

void Session::PrintJson(const nlohmann::json& json) const {
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void Session::PrintJson(const google::protobuf::Message& message) const { PrintJson(ToJson(message)); }

void Session::Report(const Status& status) const {
  if (json()) {
    const nlohmann::json error = {{"error", FailureJson(status)}};
    err << error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    err << FailureText(status);
  }
}

void Session::Finish(const StatusOr<ExitCode>& result) {
  if (!result.ok()) Report(result.status());
  exit_code = result.ok() ? *result : ExitCodeOf(result.status());
}

nlohmann::json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  return nlohmann::json::parse(text, nullptr, false);
}

CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("GLOBAL OPTIONS\n  --context FILE, --output table|json; see: hallmark --help\n\nEXAMPLES\n" +
                  examples);
  return command;
}

CLI::Validator IsDuration() {
  return CLI::Validator(
      [](const std::string& text) {
        const StatusOr<Duration> duration = yaml::ParseDuration(text);
        return duration.ok() ? std::string() : Message(duration.status());
      },
      "");
}

void AddGlobalOptions(CLI::App& app, Session& session) {
  app.name("hallmark");
  app.description(
      "Hallmark, a certificate authority for the identities of devices: the command line of its operators,\n"
      "stations and auditors.");
  app.fallthrough();
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", "hallmark " HALLMARK_VERSION, "Print the version and exit");
  app.add_option("--context", session.context_file, "The context to use")->type_name("FILE");
  app.add_option("--output", session.output, "For people (table) or for programs (json: one document)")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.footer(kFooter);
}

ExitCode Run(CLI::App& app, Session& session, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
    session.out.flush();
    if (!session.out) {
      session.Finish(Error(Code::kDataLoss, reason::kInternal, "could not write all of the output to standard output"));
    }
    return session.exit_code;
  } catch (const CLI::RuntimeError& error) {  // a command that chose its exit code
    return static_cast<ExitCode>(error.get_exit_code());
  } catch (const CLI::Success& success) {  // --help, --version
    return static_cast<ExitCode>(app.exit(success, session.out, session.err));
  } catch (const CLI::ParseError& error) {
    session.Finish(ParseFailure(app, error));
  } catch (const std::exception& exception) {
    session.Finish(Error(Code::kInternal, reason::kInternal, fmt::format("hallmark failed: {}", exception.what())));
  }
  return session.exit_code;
}

}  // namespace hallmark::cli
