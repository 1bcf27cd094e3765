// hallmark lot list|show|close|reconcile|devices|device, and the group itself.
#include "tools/hallmark/lot_commands.h"

#include <fmt/format.h>

#include <iostream>

#include "base/file.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string lot;
  std::string serial;
  std::string manufacturer;
  std::string state;
  std::string report;
  int64_t limit = 100;
  bool yes = false;
};

std::string ShortLot(const std::string& name) { return name.starts_with("lots/") ? name.substr(5) : name; }

std::string LastPart(const std::string& name) { return name.substr(name.rfind('/') + 1); }

Cell StateOf(const v1::Lot& lot) {
  if (lot.state() == v1::Lot::CLOSED) return {"CLOSED", Color::kFaint};
  return lot.alert() ? Cell("OPEN, ALERT", Color::kRed) : Cell("OPEN", Color::kGreen);
}

Cell StateOf(const v1::Device& device) {
  const std::string name = v1::Device::State_Name(device.state());
  switch (device.state()) {
    case v1::Device::ISSUED:
    case v1::Device::INSTALLED: return {name, Color::kGreen};
    case v1::Device::REVOKED: return {name, Color::kRed};
    case v1::Device::WITHDRAWN: return {name, Color::kFaint};
    default: return {name};
  }
}

std::string Taken(const v1::Lot::Counts& counts) {
  return std::to_string(counts.claimed() + counts.issued() + counts.installed() + counts.revoked());
}

std::string Stations(const v1::Lot& lot) {
  std::string stations;
  for (const v1::Lot::Station& station : lot.stations()) {
    stations += (stations.empty() ? "" : ", ") + station.station();
    if (station.quantity() > 0) stations += fmt::format(" ({} devices)", station.quantity());
    if (!station.rate().empty()) stations += fmt::format(" ({})", station.rate());
  }
  return stations;
}

std::string Filter(const Options& options) {
  std::string filter;
  if (!options.manufacturer.empty()) filter = fmt::format("manufacturer = \"{}\"", options.manufacturer);
  if (!options.state.empty()) filter += fmt::format("{}state = {}", filter.empty() ? "" : " AND ", options.state);
  return filter;
}

// Calls `take` with each page until `limit` items were taken.
template <class Response, class Request, class Call, class Take>
Status ForEachPage(Request request, int64_t limit, const Call& call, const Take& take) {
  while (limit > 0) {
    request.set_page_size(static_cast<int32_t>(std::min<int64_t>(limit, 1000)));
    ASSIGN_OR_RETURN(const Response response, call(request));
    limit -= take(response);
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  return absl::OkStatus();
}

StatusOr<ExitCode> List(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ListLotsRequest request;
  request.set_filter(Filter(options));
  v1::ListLotsResponse all;
  RETURN_IF_ERROR(ForEachPage<v1::ListLotsResponse>(
      request, options.limit, [&](const v1::ListLotsRequest& page) { return client.ListLots(page); },
      [&](const v1::ListLotsResponse& page) {
        all.mutable_lots()->MergeFrom(page.lots());
        return page.lots_size();
      }));
  if (session.json()) {
    session.PrintJson(all);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Lot& lot : all.lots()) {
    rows.push_back({ShortLot(lot.name()), StateOf(lot), LastPart(lot.manufacturer()), lot.product(),
                    Taken(lot.counts()), std::to_string(lot.quantity()), std::to_string(lot.refused_attempts()),
                    When(lot.not_after())});
  }
  session.out << RenderTable({"LOT", "STATE", "MANUFACTURER", "PRODUCT", "BUILT", "OF", "REFUSED", "UNTIL"}, rows,
                             session.colored());
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Lot lot, client.GetLot(LotName(options.lot)));
  PrintLot(session, lot);
  return kDone;
}

StatusOr<ExitCode> Close(Session& session, const Options& options) {
  if (!options.yes) {
    return UsageError(
        fmt::format("closing {} is for ever: no further device of it gets a certificate; add --yes", options.lot));
  }
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Lot lot, client.CloseLot(LotName(options.lot)));
  PrintLot(session, lot);
  return kDone;
}

void Print(Session& session, const v1::Reconciliation& reconciliation) {
  const v1::Lot& lot = reconciliation.lot();
  const v1::Lot::Counts& counts = lot.counts();
  const auto number = [](int64_t count, Color color) {
    return Cell(std::to_string(count), count > 0 ? color : Color::kPlain);
  };
  session.out << RenderFields({{"Lot", lot.name()},
                               {"State", StateOf(lot)},
                               {"Time", When(reconciliation.create_time())},
                               {"Ordered", std::to_string(lot.quantity())},
                               {"Unclaimed", std::to_string(reconciliation.unclaimed())},
                               {"Claimed", number(counts.claimed(), Color::kYellow)},
                               {"Issued", std::to_string(counts.issued())},
                               {"Installed", std::to_string(counts.installed())},
                               {"Revoked", std::to_string(counts.revoked())},
                               {"Withdrawn", std::to_string(counts.withdrawn())},
                               {"Reissued", std::to_string(counts.reissued())},
                               {"Unconfirmed", number(reconciliation.unconfirmed(), Color::kYellow)},
                               {"Certificates", fmt::format("{}, of them live: {}", reconciliation.certificates(),
                                                            reconciliation.live_certificates())},
                               {"Refused", number(lot.refused_attempts(), Color::kRed)}},
                              session.colored());
  if (reconciliation.attempts_size() > 0) {
    std::vector<std::vector<Cell>> rows;
    for (const auto& attempt : reconciliation.attempts()) {
      rows.push_back({attempt.station(), attempt.reason(), std::to_string(attempt.count()), attempt.last_serial(),
                      When(attempt.last_time())});
    }
    session.out << "\n"
                << RenderTable({"STATION", "REFUSED FOR", "TIMES", "LAST DEVICE", "LAST TIME"}, rows,
                               session.colored());
  }
  session.out << "\n";
  for (const std::string& contradiction : reconciliation.contradictions()) {
    session.out << "CONTRADICTION: " << Printable(contradiction) << "\n";
  }
  if (reconciliation.contradictions().empty()) session.out << "Everything adds up.\n";
}

StatusOr<ExitCode> Reconcile(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ReconcileLotRequest request;
  request.set_name(LotName(options.lot));
  request.set_signed_report(!options.report.empty());
  ASSIGN_OR_RETURN(const v1::Reconciliation reconciliation, client.ReconcileLot(request));
  if (!options.report.empty()) {
    RETURN_IF_ERROR(WriteFile(options.report, AsBytes(reconciliation.signed_report())));
    session.err << fmt::format(
        "wrote the signed report to {0}; check it with: openssl cms -verify -inform DER -CAfile ROOT -in {0}\n",
        options.report);
  }
  if (session.json()) {
    session.PrintJson(reconciliation);
  } else {
    Print(session, reconciliation);
  }
  return reconciliation.contradictions().empty() ? kDone : kDiffers;
}

StatusOr<ExitCode> ListDevices(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ListDevicesRequest request;
  request.set_parent(LotName(options.lot));
  if (!options.state.empty()) request.set_filter("state = " + options.state);
  v1::ListDevicesResponse all;
  RETURN_IF_ERROR(ForEachPage<v1::ListDevicesResponse>(
      request, options.limit, [&](const v1::ListDevicesRequest& page) { return client.ListDevices(page); },
      [&](const v1::ListDevicesResponse& page) {
        all.mutable_devices()->MergeFrom(page.devices());
        return page.devices_size();
      }));
  if (session.json()) {
    session.PrintJson(all);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Device& device : all.devices()) {
    rows.push_back({device.serial(), StateOf(device), LastPart(device.station()), When(device.issue_time()),
                    LastPart(device.certificate())});
  }
  session.out << RenderTable({"DEVICE", "STATE", "STATION", "ISSUED", "CERTIFICATE"}, rows, session.colored());
  return kDone;
}

StatusOr<ExitCode> ShowDevice(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Device device, client.GetDevice(LotName(options.lot) + "/devices/" + options.serial));
  if (session.json()) {
    session.PrintJson(device);
    return kDone;
  }
  std::vector<Field> fields = {{"Device", device.name()},
                               {"State", StateOf(device)},
                               {"Registration id", device.registration_id()},
                               {"Announced key", device.spki_sha256()},
                               {"Endorsement key", device.endorsement_key_sha256()}};
  for (const auto& [name, value] : device.hardware()) fields.push_back({name, value});
  const std::vector<Field> history = {
      {"Station", device.station()},
      {"Claimed", When(device.claim_time())},
      {"Issued", When(device.issue_time())},
      {"Installed", When(device.install_time()) + (device.proven() ? ", proven by its key" : "")},
      {"Reissued", device.reissues() == 0 ? "" : fmt::format("{} ({})", device.reissues(), device.reissue_reason())},
      {"Certificate", device.certificate()}};
  fields.insert(fields.end(), history.begin(), history.end());
  session.out << RenderFields(fields, session.colored());
  return kDone;
}

void AddListing(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* list = AddCommand(group, "list", "List lots, and how far they are",
                              "  hallmark lot list\n  hallmark lot list --manufacturer acme --state OPEN");
  list->add_option("--manufacturer", options->manufacturer, "Of this manufacturer only")->type_name("NAME");
  list->add_option("--state", options->state, "In this state only")->check(CLI::IsMember({"OPEN", "CLOSED"}));
  list->add_option("--limit", options->limit, "At most so many")->check(CLI::PositiveNumber)->capture_default_str();
  list->callback([&session, options] { session.Finish(List(session, *options)); });

  const auto devices_options = std::make_shared<Options>();
  CLI::App* devices =
      AddCommand(group, "devices", "List the devices of a lot",
                 "  hallmark lot devices a-17 --state CLAIMED\n"
                 "  hallmark lot devices a-17 --limit 100000 --output json | jq -r '.devices[].serial'");
  devices->add_option("lot", devices_options->lot, "The lot")->required();
  devices->add_option("--state", devices_options->state, "In this state only")
      ->check(CLI::IsMember({"ANNOUNCED", "CLAIMED", "ISSUED", "INSTALLED", "REVOKED", "WITHDRAWN"}));
  devices->add_option("--limit", devices_options->limit, "At most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  devices->callback([&session, devices_options] { session.Finish(ListDevices(session, *devices_options)); });
}

}  // namespace

std::string LotName(const std::string& text) { return text.starts_with("lots/") ? text : "lots/" + text; }

std::string When(const google::protobuf::Timestamp& time) {
  return time.seconds() == 0 ? "" : Rfc3339(absl::FromUnixSeconds(time.seconds()));
}

void PrintLot(Session& session, const v1::Lot& lot) {
  if (session.json()) return session.PrintJson(lot);
  const v1::Lot::Counts& counts = lot.counts();
  session.out << RenderFields(
      {{"Lot", lot.name()},
       {"State", StateOf(lot)},
       {"Revision", std::to_string(lot.revision())},
       {"Manufacturer", lot.manufacturer()},
       {"Product", lot.product()},
       {"Certifies", fmt::format("{} by {}", lot.profile(), lot.authority())},
       {"Stations", Stations(lot)},
       {"Window", fmt::format("{} to {}", When(lot.not_before()), When(lot.not_after()))},
       {"Devices",
        fmt::format("{} of {} built, {} announced and not claimed", Taken(counts), lot.quantity(), counts.announced())},
       {"Serials", lot.has_serials()
                       ? fmt::format("{}{} to {}", lot.serials().prefix(), lot.serials().first(), lot.serials().last())
                       : ""},
       {"Reissues", fmt::format("{} of {}, {} a device", counts.reissued(), lot.reissues(), lot.reissues_per_device())},
       {"Confirmation", lot.has_confirm_within() ? fmt::format("within {} s, else {}", lot.confirm_within().seconds(),
                                                               lot.revoke_unconfirmed() ? "revoked" : "reported")
                                                 : ""},
       {"Bootstrap", lot.bootstrap().type().empty()
                         ? ""
                         : fmt::format("{} {} {}", lot.bootstrap().type(), lot.bootstrap().global_endpoint(),
                                       lot.bootstrap().id_scope())},
       {"Refused", std::to_string(lot.refused_attempts())},
       {"Closed", When(lot.close_time())}},
      session.colored());
}

void AddLot(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "lot", "Production orders: which devices may be built, and what became of them",
                               "  hallmark lot import lot-a-17.cms\n"
                               "  hallmark lot show a-17\n"
                               "  hallmark lot reconcile a-17 --report a-17-report.cms\n"
                               "  hallmark lot close a-17 --yes");
  group->require_subcommand(1);
  AddLotImport(*group, session);
  AddListing(*group, session);

  const auto options = std::make_shared<Options>();
  CLI::App* show = AddCommand(*group, "show", "Show a lot", "  hallmark lot show a-17");
  show->add_option("lot", options->lot, "The lot")->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });

  CLI::App* close = AddCommand(*group, "close", "End a lot, for ever", "  hallmark lot close a-17 --yes");
  close->add_option("lot", options->lot, "The lot")->required();
  close->add_flag("--yes", options->yes, "Do it");
  close->callback([&session, options] { session.Finish(Close(session, *options)); });

  CLI::App* reconcile = AddCommand(
      *group, "reconcile",
      "Count a lot: announced, issued, installed, revoked, unclaimed, and what was refused, by station and reason.\n\n"
      "Every line and certificate is counted anew. Exit code 0 says that all of it adds up.",
      "  hallmark lot reconcile a-17\n  hallmark lot reconcile a-17 --report a-17-report.cms");
  reconcile->add_option("lot", options->lot, "The lot")->required();
  reconcile->add_option("--report", options->report, "Write a report that the service has signed (CMS, DER)")
      ->type_name("FILE");
  reconcile->callback([&session, options] { session.Finish(Reconcile(session, *options)); });

  CLI::App* device = AddCommand(*group, "device", "Show one device of a lot", "  hallmark lot device a-17 SN000123");
  device->add_option("lot", options->lot, "The lot")->required();
  device->add_option("serial", options->serial, "Its serial number in the manifest")->required();
  device->callback([&session, options] { session.Finish(ShowDevice(session, *options)); });
}

}  // namespace hallmark::cli
