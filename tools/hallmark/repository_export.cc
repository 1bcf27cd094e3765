// hallmark repository export.
#include <fmt/format.h>

#include <map>

#include "base/reason.h"
#include "base/yaml.h"
#include "ca/certificate.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/published_tree.h"
#include "tools/hallmark/repository_commands.h"
#include "tools/hallmark/stop_signals.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string directory;
  bool watch = false;
  std::string interval = "1s";
};

// A file as HTTP serves it: /crl/NAME.crl, /crl/NAME/SHARD.crl, /crl/NAME/SHARD-delta.crl.
std::string PathOf(const std::string& authority, const v1::Crl& crl) {
  const bool delta = crl.base_number() != 0;
  if (crl.shard() == 0 && !delta) return fmt::format("crl/{}.crl", authority);
  return fmt::format("crl/{}/{}{}.crl", authority, crl.shard(), delta ? "-delta" : "");
}

// Tells what was done, each thing once.
class Report {
 public:
  Report(Session& session, bool watch) : session_(session), watch_(watch) {}

  void Wrote(const std::string& path, std::optional<uint64_t> number, size_t octets) {
    ++written_;
    nlohmann::json entry = {{"action", "written"}, {"path", path}, {"octets", octets}};
    if (number.has_value()) entry["number"] = *number;
    Tell(std::move(entry), number.has_value() ? fmt::format("{}  CRL {}, {} octets", path, *number, octets)
                                              : fmt::format("{}  {} octets", path, octets));
  }
  void Removed(const std::string& path) {
    Tell({{"action", "removed"}, {"path", path}}, fmt::format("{}  removed", path));
  }
  // Something that is as it should not be for now, until it is over.
  void Trouble(const Status& status) {
    if (Message(status) == trouble_) return;
    trouble_ = Message(status);
    session_.Report(status);
    session_.err.flush();
  }
  void Well() {
    if (trouble_.empty()) return;
    trouble_.clear();
    session_.err << "hallmark: it goes on\n" << std::flush;
  }
  void Finish(size_t files) {
    if (session_.json() && !watch_) session_.PrintJson(nlohmann::json{{"files", files}, {"changes", changes_}});
    if (!session_.json()) session_.out << fmt::format("{} of {} files written\n", written_, files);
  }

 private:
  void Tell(nlohmann::json entry, const std::string& text) {
    if (!session_.json()) {
      session_.out << text << "\n" << std::flush;
    } else if (watch_) {  // a line each, since there is no end to wait for
      entry["time"] = Rfc3339(session_.clock.Now());
      session_.out << entry.dump() << "\n" << std::flush;
    } else {
      changes_.push_back(std::move(entry));
    }
  }

  Session& session_;
  const bool watch_;
  nlohmann::json changes_ = nlohmann::json::array();
  size_t written_ = 0;
  std::string trouble_;
};

// Brings a directory in line with what the service has published.
class Export {
 public:
  Export(Client& client, PublishedTree& tree, Report& report) : client_(client), tree_(tree), report_(report) {}

  // One look. An error ends it half-way: what is written by then is whole, and nothing is removed. What cannot be
  // written does not keep the rest from being so: the first such error is returned in the end.
  Status Look() {
    ASSIGN_OR_RETURN(const v1::ListAuthoritiesResponse authorities, client_.ListAuthorities());
    std::set<std::string> served;
    refused_ = absl::OkStatus();
    for (const v1::Authority& authority : authorities.authorities()) {
      if (authority.certificate().empty()) continue;
      PutCertificate(ShortAuthority(authority.name()), authority.certificate(),
                     absl::FromUnixSeconds(authority.not_before().seconds()), served);
      ASSIGN_OR_RETURN(const v1::ListCrlsResponse lists, client_.ListCrls(authority.name()));
      for (const v1::Crl& list : lists.crls()) {
        RETURN_IF_ERROR(PutCrl(authority.name(), list, served));
      }
    }
    RETURN_IF_ERROR(PutImported(served));
    files_ = served.size();
    ASSIGN_OR_RETURN(const std::set<std::string> removed, tree_.RemoveOthers(served));
    for (const std::string& path : removed) {
      numbers_.erase(path);
      report_.Removed(path);
    }
    return refused_;
  }
  size_t files() const { return files_; }

 private:
  void PutCertificate(const std::string& name, const std::string& certificate, Time modified,
                      std::set<std::string>& served) {
    const std::string path = fmt::format("aia/{}.cer", name);
    served.insert(path);
    const auto outcome = tree_.PutCertificate(path, AsBytes(certificate), modified);
    refused_.Update(outcome.status());
    if (outcome.ok() && *outcome == PublishedTree::Outcome::kWritten) {
      report_.Wrote(path, std::nullopt, certificate.size());
    }
  }

  // Of authorities above ours whose keys are elsewhere, and whose lists were imported. An error of the service.
  Status PutImported(std::set<std::string>& served) {
    ASSIGN_OR_RETURN(const v1::ListImportedCrlsResponse imported, client_.ListImportedCrls());
    for (const v1::ImportedCrl& one : imported.crls()) {
      const std::string name = one.name().substr(one.name().find('/') + 1);
      const std::string authority = AuthorityName(name);
      ASSIGN_OR_RETURN(const auto exported, client_.ExportChain(authority, v1::ExportChainRequest::DER));
      ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(AsBytes(exported.chain())));
      PutCertificate(name, exported.chain(), parts.not_before, served);
      v1::Crl list;
      list.set_number(one.number());
      RETURN_IF_ERROR(PutCrl(authority, list, served));
    }
    return absl::OkStatus();
  }

  // An error of the service.
  Status PutCrl(const std::string& parent, const v1::Crl& list, std::set<std::string>& served) {
    const std::string path = PathOf(ShortAuthority(parent), list);
    served.insert(path);
    if (const auto known = numbers_.find(path); known != numbers_.end() && known->second >= list.number()) {
      return absl::OkStatus();
    }
    v1::GetCrlRequest request;
    request.set_parent(parent);
    request.set_shard(list.shard());
    request.set_delta(list.base_number() != 0);
    ASSIGN_OR_RETURN(const v1::Crl crl, client_.GetCrl(request));
    const StatusOr<PublishedTree::Outcome> outcome = tree_.PutCrl(path, AsBytes(crl.crl()));
    refused_.Update(outcome.status());
    if (!outcome.ok()) return absl::OkStatus();
    numbers_[path] = crl.number();
    if (*outcome == PublishedTree::Outcome::kWritten) report_.Wrote(path, crl.number(), crl.crl().size());
    return absl::OkStatus();
  }

  Client& client_;
  PublishedTree& tree_;
  Report& report_;
  std::map<std::string, uint64_t> numbers_;  // of the lists that are in place
  Status refused_;                           // the first file of this look that could not be written
  size_t files_ = 0;
};

StatusOr<ExitCode> RunExport(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Duration interval, yaml::ParseDuration(options.interval));
  ASSIGN_OR_RETURN(PublishedTree tree, PublishedTree::Open(options.directory));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  Report report(session, options.watch);
  Export repository(client, tree, report);
  if (!options.watch) {
    RETURN_IF_ERROR(repository.Look());
    report.Finish(repository.files());
    return kDone;
  }
  const StopSignals signals;
  while (!StopSignals::asked()) {
    const Status status = repository.Look();
    if (status.ok()) {
      report.Well();
    } else {
      report.Trouble(status);
    }
    StopSignals::Rest(interval);
  }
  return kDone;
}

}  // namespace

void AddRepository(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "repository", "What relying parties fetch: CRLs and certificates of authorities",
                               "  hallmark repository export /var/www/pki --watch");
  group->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      *group, "export",
      "Write what the service serves over HTTP as files, for another web server, a CDN or a site without a network.\n\n"
      "Each file is replaced whole and has its list's thisUpdate as its time; no list is replaced by an older one.\n"
      "Files that somebody else put into the directory are left alone.",
      "  hallmark repository export /var/www/pki\n"
      "  hallmark repository export /var/www/pki --watch --interval 5s --output json");
  command->add_option("directory", options->directory, "Where to; made if need be")->required()->type_name("DIR");
  command->add_flag("--watch", options->watch, "Go on with what is published from now on, until SIGTERM or Ctrl-C");
  command->add_option("--interval", options->interval, "With --watch: between two looks")
      ->check(IsDuration())
      ->type_name("DURATION")
      ->capture_default_str();
  command->callback([&session, options] { session.Finish(RunExport(session, *options)); });
}

}  // namespace hallmark::cli
