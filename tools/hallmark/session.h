// One run of `hallmark`: where it reads and writes, what its global options say, and how it ends.
#pragma once

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "tools/hallmark/client.h"
#include "tools/hallmark/context.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli {

// What main found in the environment; nobody else looks.
struct Environment {
  std::string context;  // $HALLMARK_CONTEXT
  std::string home;     // $HOME
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool no_color = false;  // $NO_COLOR is set and not empty
};

// Outlives the CLI::App whose options write into it. One thread.
struct Session {
  Environment environment;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  std::string context_file = "";  // --context
  std::string output = "table";   // --output
  ExitCode exit_code = kDone;

  bool json() const { return output == "json"; }
  bool colored() const { return environment.out_is_terminal && !environment.no_color && !json(); }

  // The context that the options and the environment name: its file, and what is in it.
  StatusOr<std::filesystem::path> FindContextFile() const;
  StatusOr<Context> LoadContext() const;
  StatusOr<Client> Connect() const;

  // Writes one JSON document to `out`; a message by protobuf's JSON mapping, with the field names of the .proto.
  void PrintJson(const nlohmann::json& json) const;
  void PrintJson(const google::protobuf::Message& message) const;

  // Writes an error to `err`, as text or as {"error": ...}.
  void Report(const Status& status) const;

  // Ends the run with the exit code that a command returned, or reports why it has none.
  void Finish(const StatusOr<ExitCode>& result);
};

nlohmann::json ToJson(const google::protobuf::Message& message);

// Adds a command. `examples`: whole command lines, one a line, which stand in its --help.
CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::string& examples);

// Checks that an option is a duration, as yaml::ParseDuration reads it.
CLI::Validator IsDuration();

// Each adds its commands to `app`; `session` must outlive it.
void AddGlobalOptions(CLI::App& app, Session& session);
void AddCertificate(CLI::App& app, Session& session);
void AddAuthority(CLI::App& app, Session& session);
void AddProfile(CLI::App& app, Session& session);
void AddLot(CLI::App& app, Session& session);
void AddManufacturer(CLI::App& app, Session& session);
void AddCompletion(CLI::App& app, Session& session);

// Parses the command line (without the program's name), runs its command and returns the exit code.
ExitCode Run(CLI::App& app, Session& session, std::vector<std::string> arguments);

}  // namespace hallmark::cli
