// hallmark manufacturer register|update|show|list.
#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr size_t kFileLimit = 1 << 20;  // octets

struct Options {
  std::string name;
  std::string display_name;
  std::vector<std::string> certificates;
  std::vector<std::string> crls;
  bool suspend = false;
  bool resume = false;
};

std::string ManufacturerName(const std::string& text) {
  return text.starts_with("manufacturers/") ? text : "manufacturers/" + text;
}

// The DER of a file in PEM (each block of `label`) or DER.
Status AddObjects(const std::string& path, const char* label, google::protobuf::RepeatedPtrField<std::string>* to) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kFileLimit));
  if (text.find("-----BEGIN ") == text.npos) {
    *to->Add() = text;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<Bytes> blocks, PemDecode(label, text));
  for (const Bytes& der : blocks) *to->Add() = ToString(der);
  return absl::OkStatus();
}

Status AddFiles(const Options& options, v1::Manufacturer& manufacturer) {
  if (!options.certificates.empty()) manufacturer.clear_certificates();
  for (const std::string& path : options.certificates)
    RETURN_IF_ERROR(AddObjects(path, "CERTIFICATE", manufacturer.mutable_certificates()));
  if (!options.crls.empty()) manufacturer.clear_crls();
  for (const std::string& path : options.crls)
    RETURN_IF_ERROR(AddObjects(path, "X509 CRL", manufacturer.mutable_crls()));
  if (!options.display_name.empty()) manufacturer.set_display_name(options.display_name);
  return absl::OkStatus();
}

void Print(Session& session, const v1::Manufacturer& manufacturer) {
  if (session.json()) return session.PrintJson(manufacturer);
  std::vector<Field> fields = {{"Manufacturer", manufacturer.name()},
                               {"Name", manufacturer.display_name()},
                               {"State", manufacturer.suspended() ? Cell("suspended", Color::kYellow)
                                                                  : Cell("announces devices", Color::kGreen)},
                               {"Since", When(manufacturer.create_time())}};
  for (const std::string& certificate : manufacturer.certificates()) {
    fields.push_back({"Certificate", fmt::format("{}, SHA-256 {}", CommonName(AsBytes(certificate)),
                                                 Hex(Sha256(AsBytes(certificate))))});
  }
  fields.push_back({"CRLs", std::to_string(manufacturer.crls_size())});
  session.out << RenderFields(fields, session.colored());
}

StatusOr<ExitCode> Register(Session& session, const Options& options) {
  v1::CreateManufacturerRequest request;
  request.set_manufacturer_id(options.name);
  RETURN_IF_ERROR(AddFiles(options, *request.mutable_manufacturer()));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Manufacturer manufacturer, client.CreateManufacturer(request));
  Print(session, manufacturer);
  return kDone;
}

StatusOr<ExitCode> Update(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::UpdateManufacturerRequest request;
  ASSIGN_OR_RETURN(*request.mutable_manufacturer(), client.GetManufacturer(ManufacturerName(options.name)));
  RETURN_IF_ERROR(AddFiles(options, *request.mutable_manufacturer()));
  if (options.suspend) request.mutable_manufacturer()->set_suspended(true);
  if (options.resume) request.mutable_manufacturer()->set_suspended(false);
  ASSIGN_OR_RETURN(const v1::Manufacturer manufacturer, client.UpdateManufacturer(request));
  Print(session, manufacturer);
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Manufacturer manufacturer, client.GetManufacturer(ManufacturerName(options.name)));
  Print(session, manufacturer);
  return kDone;
}

StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ListManufacturersResponse response, client.ListManufacturers());
  if (session.json()) {
    session.PrintJson(response);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Manufacturer& manufacturer : response.manufacturers()) {
    rows.push_back({manufacturer.name().substr(manufacturer.name().rfind('/') + 1),
                    manufacturer.suspended() ? Cell("suspended", Color::kYellow) : Cell("", Color::kPlain),
                    std::to_string(manufacturer.certificates_size()), std::to_string(manufacturer.crls_size()),
                    manufacturer.display_name()});
  }
  session.out << RenderTable({"MANUFACTURER", "STATE", "CERTIFICATES", "CRLS", "NAME"}, rows, session.colored());
  return kDone;
}

void AddFileOptions(CLI::App& command, Options& options, bool required) {
  CLI::Option* certificates =
      command
          .add_option("--certificate", options.certificates,
                      "Certificates (PEM or DER) of those who sign manifests, or of CAs that certify them")
          ->type_name("FILE");
  if (required) certificates->required();
  command
      .add_option("--crl", options.crls,
                  "Current CRLs of those CAs: a signer below a CA is believed only with its issuer's CRL")
      ->type_name("FILE");
  command.add_option("--display-name", options.display_name, "For people, e.g. \"Acme Ltd\"")->type_name("TEXT");
}

}  // namespace

void AddManufacturer(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "manufacturer", "Who announces devices, and by which certificates",
                               "  hallmark manufacturer register acme --certificate acme-signer.pem\n"
                               "  hallmark manufacturer update acme --crl acme-ca.crl\n"
                               "  hallmark manufacturer update acme --suspend");
  group->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* add =
      AddCommand(*group, "register", "Register a manufacturer with the certificates that sign its manifests",
                 "  hallmark manufacturer register acme --certificate acme-signer.pem\n"
                 "  hallmark manufacturer register acme --certificate acme-ca.pem --crl acme-ca.crl");
  add->add_option("name", options->name, "1 to 63 of a-z 0-9 -")->required();
  AddFileOptions(*add, *options, true);
  add->callback([&session, options] { session.Finish(Register(session, *options)); });

  CLI::App* update = AddCommand(*group, "update", "Replace its certificates or CRLs, suspend it, or let it go on",
                                "  hallmark manufacturer update acme --certificate new-signer.pem\n"
                                "  hallmark manufacturer update acme --crl acme-ca.crl\n"
                                "  hallmark manufacturer update acme --suspend");
  update->add_option("name", options->name, "The manufacturer")->required();
  AddFileOptions(*update, *options, false);
  CLI::Option* suspend = update->add_flag("--suspend", options->suspend, "It announces nothing until it is resumed");
  update->add_flag("--resume", options->resume, "It announces again")->excludes(suspend);
  update->callback([&session, options] { session.Finish(Update(session, *options)); });

  CLI::App* show = AddCommand(*group, "show", "Show a manufacturer", "  hallmark manufacturer show acme");
  show->add_option("name", options->name, "The manufacturer")->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });

  CLI::App* list = AddCommand(*group, "list", "List the manufacturers", "  hallmark manufacturer list");
  list->callback([&session] { session.Finish(List(session)); });
}

}  // namespace hallmark::cli
