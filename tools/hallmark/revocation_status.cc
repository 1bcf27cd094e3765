// hallmark status and hallmark crl: how fresh what relying parties see is.
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr size_t kCrlLimit = 60 * 1024;

struct ImportOptions {
  std::string file;
  std::string name;
  bool validate_only = false;
};

// "3d 4h", "12m 5s": the two largest parts.
std::string Rough(Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  const std::pair<const char*, int64_t> units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
  std::string text;
  int64_t rest = seconds < 0 ? 0 : seconds;
  int parts = 0;
  for (const auto& [unit, size] : units) {
    const int64_t count = rest / size;
    rest %= size;
    if (count == 0 && (parts == 0 || parts == 2)) continue;
    if (parts < 2 && count > 0) text += fmt::format("{}{}{}", text.empty() ? "" : " ", count, unit);
    if (++parts == 2) break;
  }
  return text.empty() ? "0s" : text;
}

Time TimeOf(const google::protobuf::Timestamp& time) { return absl::FromUnixSeconds(time.seconds()); }

Cell Left(Duration left) {
  return left <= absl::ZeroDuration() ? Cell("expired", Color::kRed) : Cell("in " + Rough(left));
}

void PrintLists(Session& session, const v1::RevocationStatus& status) {
  const Time now = TimeOf(status.time());
  std::vector<std::vector<Cell>> rows;
  for (const auto& list : status.lists()) {
    const bool imported = list.parent().starts_with("importedCrls/");
    const std::string name = list.parent().substr(list.parent().find('/') + 1);
    const std::string kind = imported ? "imported" : list.delta() ? "delta" : "complete";
    if (list.number() == 0) {
      rows.push_back({name, std::to_string(list.shard()), kind, Cell("none yet", Color::kRed), "", "",
                      std::to_string(list.waiting())});
      continue;
    }
    rows.push_back({name, std::to_string(list.shard()), kind, std::to_string(list.number()),
                    Rough(now - TimeOf(list.this_update())), Left(TimeOf(list.next_update()) - now),
                    std::to_string(list.waiting())});
  }
  session.out << RenderTable({"AUTHORITY", "SHARD", "CRL", "NUMBER", "AGE", "ENDS", "WAITING"}, rows,
                             session.colored());
}

StatusOr<ExitCode> Show(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::RevocationStatus status, client.GetRevocationStatus());
  if (session.json()) {
    session.PrintJson(status);
    return status.warnings().empty() ? kDone : kFailed;
  }
  PrintLists(session, status);
  const Time now = TimeOf(status.time());
  std::vector<std::vector<Cell>> rows;
  for (const auto& responder : status.responders()) {
    rows.push_back({ShortAuthority(responder.parent()), Left(TimeOf(responder.expire_time()) - now),
                    Rough(absl::Seconds(responder.validity().seconds()))});
  }
  if (!rows.empty()) {
    session.out << "\n"
                << RenderTable({"OCSP OF", "CERTIFICATE ENDS", "ANSWERS HOLD"}, rows, session.colored())
                << fmt::format("{} answers are kept\n", status.cached_responses());
  }
  for (const v1::MassRevocation& one : status.running()) {
    session.out << "\n" << DescribeMassRevocation(one, session.colored());
  }
  for (const std::string& warning : status.warnings()) session.err << "warning: " << Printable(warning) << "\n";
  return status.warnings().empty() ? kDone : kFailed;
}

struct ListOptions {
  std::string authority;
  int64_t shard = 0;
  bool delta = false;
  std::string out;
};

StatusOr<ExitCode> PrintCrl(Session& session, const ListOptions& options, const StatusOr<v1::Crl>& crl) {
  RETURN_IF_ERROR(crl.status());
  if (!options.out.empty()) RETURN_IF_ERROR(WriteFile(options.out, AsBytes(crl->crl())));
  if (session.json()) {
    session.PrintJson(*crl);
    return kDone;
  }
  session.out << RenderFields({{"Number", std::to_string(crl->number())},
                               {"Base", crl->base_number() == 0 ? "" : std::to_string(crl->base_number())},
                               {"This update", When(crl->this_update())},
                               {"Next update", When(crl->next_update())},
                               {"Octets", std::to_string(crl->crl().size())},
                               {"File", options.out}},
                              session.colored());
  return kDone;
}

template <class Request>
Request ListRequest(const ListOptions& options) {
  Request request;
  request.set_parent(AuthorityName(options.authority));
  request.set_shard(options.shard);
  request.set_delta(options.delta);
  return request;
}

StatusOr<ExitCode> GetList(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  return PrintCrl(session, options, client.GetCrl(ListRequest<v1::GetCrlRequest>(options)));
}

StatusOr<ExitCode> Generate(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  return PrintCrl(session, options, client.GenerateCrl(ListRequest<v1::GenerateCrlRequest>(options)));
}

void AddListOptions(CLI::App& command, ListOptions& options) {
  command.add_option("authority", options.authority, "Whose list")->required()->type_name("NAME");
  command.add_option("--shard", options.shard, "Which of its lists, as certificates name it")->capture_default_str();
  command.add_flag("--delta", options.delta, "The delta CRL instead of the complete one");
  command.add_option("--out", options.out, "Write it there, DER")->type_name("FILE");
}

StatusOr<ExitCode> Import(Session& session, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(options.file, kCrlLimit * 2));
  v1::ImportCrlRequest request;
  request.set_crl(content);
  if (content.find("-----BEGIN") != std::string::npos) {
    const StatusOr<std::vector<Bytes>> blocks = PemDecode("X509 CRL", content);
    if (!blocks.ok() || blocks->size() != 1) {
      return UsageError(fmt::format("{} has not one PEM block X509 CRL; give one list", options.file));
    }
    request.set_crl(ToString(blocks->front()));
  }
  if (!options.name.empty()) request.set_name("importedCrls/" + options.name);
  request.set_validate_only(options.validate_only);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ImportedCrl imported, client.ImportCrl(request));
  if (session.json()) {
    session.PrintJson(imported);
    return kDone;
  }
  const std::string name = imported.name().substr(imported.name().find('/') + 1);
  session.out << RenderFields({{"Served at", fmt::format("/crl/{}.crl", name)},
                               {"Issuer", Printable(imported.issuer())},
                               {"Number", std::to_string(imported.number())},
                               {"This update", When(imported.this_update())},
                               {"Next update", When(imported.next_update())}},
                              session.colored());
  for (const std::string& authority : imported.changed_authorities()) {
    session.err << fmt::format("{} is on it and issues no more\n", authority);
  }
  if (options.validate_only) session.err << "the list is good; nothing was changed: --validate-only\n";
  return kDone;
}

}  // namespace

void AddStatus(CLI::App& app, Session& session) {
  CLI::App* status = AddCommand(app, "status",
                                "How fresh CRLs and OCSP are, and what is being revoked.\n\n"
                                "Ends with exit code 1 when something is about to expire or has.",
                                "  hallmark status\n"
                                "  hallmark status --output json | jq .warnings");
  status->callback([&session] { session.Finish(Show(session)); });
}

void AddCrl(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "crl", "Certificate revocation lists: fetch one, have one made now, import one",
                               "  hallmark crl get devices --out devices.crl\n"
                               "  hallmark crl generate devices\n"
                               "  hallmark crl import root-1.crl");
  group->require_subcommand(1);
  const auto list = std::make_shared<ListOptions>();
  CLI::App* get = AddCommand(*group, "get", "The newest list, as HTTP serves it",
                             "  hallmark crl get devices --shard 3 --out devices-3.crl");
  AddListOptions(*get, *list);
  get->callback([&session, list] { session.Finish(GetList(session, *list)); });
  CLI::App* generate = AddCommand(*group, "generate", "Sign a new list now, whether or not something has changed",
                                  "  hallmark crl generate devices");
  AddListOptions(*generate, *list);
  generate->callback([&session, list] { session.Finish(Generate(session, *list)); });
  const auto options = std::make_shared<ImportOptions>();
  CLI::App* import =
      AddCommand(*group, "import",
                 "Serve the CRL of an authority above ours whose key is elsewhere, as of a root's ceremony.\n\n"
                 "It is served where the certificates below that authority say, and is refused if it is older than the "
                 "one there.\n"
                 "An authority of ours that is on it stops issuing at once.",
                 "  hallmark crl import root-1.crl\n"
                 "  hallmark crl import root-1.crl --validate-only");
  import->add_option("file", options->file, "The list, DER or PEM")->required()->type_name("FILE");
  import->add_option("--name", options->name, "NAME of /crl/NAME.crl, should the certificates name several");
  import->add_flag("--validate-only", options->validate_only, "Only say whether it is good");
  import->callback([&session, options] { session.Finish(Import(session, *options));
});
}  // namespace hallmark::cli

}  // namespace hallmark::cli
