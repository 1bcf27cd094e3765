#include "tools/hallmark/context.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"

namespace hallmark::cli {
namespace {

constexpr size_t kPemLimit = size_t{1} << 20;

StatusOr<Secret> ReadKey(const std::filesystem::path& path) {
  std::error_code error;
  const auto mode = std::filesystem::status(path, error).permissions();
  if (!error && (mode & std::filesystem::perms::others_all) != std::filesystem::perms::none) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("the private key {0} may be read by others; run: chmod o= {0}", path.string()));
  }
  ASSIGN_OR_RETURN(std::string pem, ReadFile(path, kPemLimit));
  return Secret(std::move(pem));
}

Status CheckEndpoint(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon != endpoint.npos && colon > 0 && colon + 1 < endpoint.size() && endpoint.find('/') == endpoint.npos) {
    return absl::OkStatus();
  }
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("'{}' is not host:port, e.g. ca.example.com:8443", endpoint));
}

}  // namespace

StatusOr<std::filesystem::path> FindContext(const ContextPlaces& places) {
  std::error_code error;
  for (const auto& [path, origin] :
       {std::pair(places.option, "--context"), std::pair(places.variable, "$HALLMARK_CONTEXT")}) {
    if (path.empty()) continue;
    if (std::filesystem::exists(path, error)) return std::filesystem::path(path);
    return Error(Code::kNotFound, reason::kConfigurationInvalid,
                 fmt::format("there is no context file {}, which {} names", path, origin));
  }
  const std::filesystem::path here = "context.yaml";
  if (std::filesystem::exists(here, error)) return here;
  const std::filesystem::path at_home = std::filesystem::path(places.home) / ".config/hallmark/context.yaml";
  if (!places.home.empty() && std::filesystem::exists(at_home, error)) return at_home;
  return Error(Code::kNotFound, reason::kConfigurationInvalid,
               "there is no context, which says where the service is and who you are. Looked for --context FILE, "
               "$HALLMARK_CONTEXT, ./context.yaml and ~/.config/hallmark/context.yaml. `hallmark init DIR` writes "
               "DIR/contexts/operator.yaml, station.yaml and auditor.yaml; or ask your operator for one");
}

StatusOr<Context> ReadContext(const std::filesystem::path& file) {
  Context context;
  context.file = file;
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path roots;
  RETURN_IF_ERROR(yaml::ReadMapping(file, [&](yaml::Mapping& mapping) {
    context.endpoint = mapping.Required<std::string>("endpoint");
    mapping.Check(CheckEndpoint(context.endpoint), "endpoint");
    certificate = mapping.Required<std::string>("certificate");
    key = mapping.Required<std::string>("key");
    roots = mapping.Required<std::string>("roots");
    return mapping.Finish();
  }));
  const std::filesystem::path directory = file.parent_path();
  const std::string where = fmt::format("context {}", file.string());
  const auto read = [&](const std::filesystem::path& path) { return ReadFile(directory / path, kPemLimit); };
  StatusOr<std::string> certificate_pem = read(certificate);
  RETURN_IF_ERROR(Annotate(certificate_pem.status(), where));
  StatusOr<std::string> roots_pem = read(roots);
  RETURN_IF_ERROR(Annotate(roots_pem.status(), where));
  StatusOr<Secret> key_pem = ReadKey(directory / key);
  RETURN_IF_ERROR(Annotate(key_pem.status(), where));
  context.certificate = *std::move(certificate_pem);
  context.roots = *std::move(roots_pem);
  context.key = *std::move(key_pem);
  return context;
}

}  // namespace hallmark::cli
