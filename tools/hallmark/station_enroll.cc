// hallmark station credential|enroll|renew: a station's own certificate.
#include <fmt/format.h>

#include "tools/hallmark/names.h"
#include "tools/hallmark/station.h"
#include "tools/hallmark/station_credential.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string station;
  std::string authority = "access";
  std::string lifetime;
  std::string out;
  std::string credential;
  bool force = false;
};

StatusOr<ExitCode> MakeCredential(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const v1::Certificate certificate,
                   MakeEnrollmentCredential(session, {.station = options.station,
                                                      .authority = AuthorityName(options.authority),
                                                      .lifetime = options.lifetime,
                                                      .out = options.out}));
  if (session.json()) {
    session.PrintJson(certificate);
  } else {
    session.out << fmt::format(
        "{}: good for one enrollment until {}. Carry it to the line's PC, run there\n"
        "  hallmark station enroll {} --out DIR\nand remove it.\n",
        options.out, Rfc3339(absl::FromUnixSeconds(certificate.not_after().seconds())), options.out);
  }
  return kDone;
}

StatusOr<ExitCode> Enroll(Session& session, const Options& options) {
  RETURN_IF_ERROR(EnrollStation(session, options.credential, options.out));
  const std::string context = (std::filesystem::path(options.out) / "station.yaml").string();
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"context", context}});
  } else {
    session.out << fmt::format("{}: this station's context. Delete {}: it is used up.\n", context, options.credential);
  }
  return kDone;
}

StatusOr<ExitCode> RenewNow(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const bool renewed, Renew(session, client, options.force));
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"renewed", renewed}});
  } else {
    session.out << (renewed ? "Renewed, with a new key.\n" : "Not due yet: more than a third of its life is left.\n");
  }
  return kDone;
}

}  // namespace

void AddStationCredentials(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* credential =
      AddCommand(group, "credential",
                 "Make a station's enrollment credential: one file, good once, for a short while. For operators.",
                 "  hallmark station credential line-3 --out line-3.enrollment");
  credential->add_option("name", options->station, "The station's name: a-z 0-9 . -")->required()->type_name("NAME");
  credential->add_option("--out", options->out, "The file to write; it holds a private key")
      ->required()
      ->type_name("FILE");
  credential->add_option("--lifetime", options->lifetime, "How long it is good, e.g. 7d; a day if absent")
      ->check(IsDuration())
      ->type_name("DURATION");
  credential->add_option("--authority", options->authority, "Who certifies it, and the station")->capture_default_str();
  credential->callback([&session, options] { session.Finish(MakeCredential(session, *options)); });

  CLI::App* enroll = AddCommand(
      group, "enroll",
      "Make this station's own key, which never leaves this PC, and have it certified for an enrollment credential.\n"
      "The same command again is safe.",
      "  hallmark station enroll line-3.enrollment --out /etc/hallmark\n"
      "  hallmark --context /etc/hallmark/station.yaml certificate list");
  enroll->add_option("credential", options->credential, "What `hallmark station credential` made")
      ->required()
      ->type_name("FILE");
  enroll->add_option("--out", options->out, "Where station.yaml, the key and the certificate go")
      ->required()
      ->type_name("DIR");
  enroll->callback([&session, options] { session.Finish(Enroll(session, *options)); });

  CLI::App* renew = AddCommand(group, "renew",
                               "Renew this station's certificate, with a new key, when less than a third of its life "
                               "is left.\nThe same command again is safe; at each moment the context works.",
                               "  hallmark --context /etc/hallmark/station.yaml station renew");
  renew->add_flag("--force", options->force, "Now, however much is left");
  renew->callback([&session, options] { session.Finish(RenewNow(session, *options)); });
}

}  // namespace hallmark::cli
