#include "tools/hallmark/station_credential.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "tools/hallmark/credential.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCredentialLimit = 256 * 1024;
constexpr char kRoots[] = "\nroots:\n";
constexpr char kEndpoint[] = "\nendpoint: ";
constexpr char kBegin[] = "-----BEGIN ";

using GeneralNameStack = ssl::Owner<GENERAL_NAMES, GENERAL_NAMES_free>;

Status Invalid(const std::string& message) {
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid, message);
}

Status Unwritable(const fs::path& path, const std::error_code& error) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot write {}: {}", path.string(), error.message()));
}

StatusOr<ssl::Certificate> ParseDer(ByteView der) {
  const uint8_t* data = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &data, static_cast<long>(der.size())));
  if (certificate == nullptr) return Invalid("a certificate cannot be read: " + ssl::DrainErrors());
  return certificate;
}

StatusOr<Bytes> LeafOf(const Context& context) {
  ASSIGN_OR_RETURN(std::vector<Bytes> chain, PemDecode("CERTIFICATE", context.certificate));
  return std::move(chain.front());
}

// A private key and its PEM.
struct Key {
  ssl::EvpKey key;
  Secret pem;
};

StatusOr<Key> ReadKey(const fs::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kCredentialLimit));
  Secret pem(std::move(text));
  const ssl::Bio bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.Reveal().size())));
  ssl::EvpKey key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    return Invalid(
        fmt::format("{} is no private key ({}); remove it and repeat the command", path.string(), ssl::DrainErrors()));
  }
  return Key{std::move(key), std::move(pem)};
}

StatusOr<Key> MakeKey() {
  ASSIGN_OR_RETURN(ssl::EvpKey key, GenerateSoftwareKey());
  ASSIGN_OR_RETURN(Secret pem, PrivateKeyPem(key.get()));
  return Key{std::move(key), std::move(pem)};
}

// The key of an earlier try, which may have been certified, unless it is `current`; or a new one.
StatusOr<Key> NextKey(const fs::path& path, std::string_view current) {
  StatusOr<Key> earlier = ReadKey(path);
  if (earlier.ok() && earlier->pem.Reveal() != current) return earlier;
  if (!earlier.ok() && !absl::IsNotFound(earlier.status())) return earlier.status();
  ASSIGN_OR_RETURN(Key made, MakeKey());
  RETURN_IF_ERROR(WriteFile(path, AsBytes(made.pem.Reveal()), 0600));
  return made;
}

Status CheckAnswer(const v1::Certificate& certificate, const Key& key, const std::string& uri) {
  ASSIGN_OR_RETURN(const ssl::Certificate parsed, ParseDer(AsBytes(certificate.certificate())));
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(AsBytes(certificate.certificate())));
  const bool ours = X509_check_private_key(parsed.get(), key.key.get()) == 1;
  if (!ours) ssl::DrainErrors();
  if (ours && caller.uri == uri) return absl::OkStatus();
  return Error(Code::kInternal, reason::kInternal,
               fmt::format("the service answered with a certificate of {} for {} key; nothing was replaced, please "
                           "report it",
                           caller.uri, ours ? "this station's" : "another"));
}

// Without the root, which the other side has.
std::string WithoutRoot(const v1::Certificate& certificate) {
  std::string pem = CertificatePem(certificate);
  for (int i = 0; i + 1 < certificate.chain_size(); ++i) pem += PemEncode("CERTIFICATE", AsBytes(certificate.chain(i)));
  return pem;
}

struct Files {
  std::string certificate;
  std::string key;
};

// Writes the pair beside the context; it counts only once the context names it.
StatusOr<Files> WritePair(const fs::path& context, const v1::Certificate& certificate, const Key& key) {
  const std::string name = fmt::format("{}-{}", context.stem().string(), FileName(certificate.serial()));
  const Files files{name + ".pem", name + "-key.pem"};
  RETURN_IF_ERROR(WriteFile(context.parent_path() / files.key, AsBytes(key.pem.Reveal()), 0600));
  RETURN_IF_ERROR(WriteFile(context.parent_path() / files.certificate, AsBytes(WithoutRoot(certificate))));
  return files;
}

// The text of a context that names another pair.
StatusOr<std::string> Renamed(const fs::path& context, const Files& files) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(context, kCredentialLimit));
  if (RE2::GlobalReplace(&text, R"((?m)^certificate:.*$)", "certificate: " + files.certificate) == 1 &&
      RE2::GlobalReplace(&text, R"((?m)^key:.*$)", "key: " + files.key) == 1) {
    return text;
  }
  return Invalid(fmt::format("{} has not one line that begins with certificate: and one with key:; write them so",
                             context.string()));
}

// Of renewals before the last one.
void RemoveOldPairs(const fs::path& context) {
  const RE2 pair(RE2::QuoteMeta(context.stem().string()) + "-[0-9a-f]{32}(-key)?\\.pem");
  const StatusOr<std::string> text = ReadFile(context, kCredentialLimit);
  if (!text.ok()) return;
  std::error_code error;
  for (fs::directory_iterator entry(context.parent_path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!RE2::FullMatch(name, pair) || text->find(" " + name) != text->npos) continue;
    std::error_code ignored;
    fs::remove(entry->path(), ignored);
  }
}

fs::path NextKeyPath(const fs::path& context) {
  return context.parent_path() / (context.stem().string() + "-next-key.pem");
}

bool IsDue(const X509* certificate, Time now) {
  const auto instant = [](const ASN1_TIME* time) {
    tm parts = {};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? absl::FromTM(parts, absl::UTCTimeZone()) : absl::InfinitePast();
  };
  const Time not_before = instant(X509_get0_notBefore(certificate));
  const Time not_after = instant(X509_get0_notAfter(certificate));
  return now > not_after - (not_after - not_before) / 3;
}

StatusOr<v1::IssueCertificateRequest> EnrollmentRequest(const EnrollmentOrder& order, const Caller& caller,
                                                        const Key& key) {
  const std::string uri = fmt::format("hallmark://{}/enrollment/{}", caller.realm, order.station);
  if (!ParseCallerUri(uri).ok()) {
    return UsageError(
        fmt::format("'{}' is no station's name: of a-z 0-9 . - and beginning with a letter or a digit", order.station));
  }
  ASSIGN_OR_RETURN(const Bytes csr, MakeCsr(key.key.get(), order.station, {{GeneralName::Kind::kUri, uri}}));
  v1::IssueCertificateRequest request;
  request.set_parent(order.authority);
  request.set_profile("station-enrollment");
  request.set_csr(ToString(csr));
  request.set_request_id(DefaultRequestId(order.authority, request.profile(), csr));
  if (!order.lifetime.empty()) {
    ASSIGN_OR_RETURN(const Duration lifetime, yaml::ParseDuration(order.lifetime));
    request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(lifetime));
  }
  return request;
}

}  // namespace

StatusOr<Caller> CallerOf(ByteView certificate) {
  ASSIGN_OR_RETURN(const ssl::Certificate parsed, ParseDer(certificate));
  const GeneralNameStack names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(parsed.get(), NID_subject_alt_name, nullptr, nullptr)));
  if (names != nullptr && sk_GENERAL_NAME_num(names.get()) == 1) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
    if (name->type == GEN_URI) {
      const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
      return ParseCallerUri(ToString({ASN1_STRING_get0_data(uri), static_cast<size_t>(ASN1_STRING_length(uri))}));
    }
  }
  return Invalid(
      "the certificate names no caller (a URI as its only subjectAltName); use one that the operator issued under a "
      "profile of callers");
}

StatusOr<Caller> CallerOf(const Context& context) {
  ASSIGN_OR_RETURN(const Bytes leaf, LeafOf(context));
  return CallerOf(leaf);
}

StatusOr<v1::Certificate> MakeEnrollmentCredential(Session& session, const EnrollmentOrder& order) {
  std::error_code error;
  if (fs::exists(order.out, error)) {
    return UsageError(fmt::format("{} is there already; name another file, or remove it", order.out.string()));
  }
  ASSIGN_OR_RETURN(const Context context, session.LoadContext());
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(context));
  ASSIGN_OR_RETURN(const Key key, MakeKey());
  ASSIGN_OR_RETURN(const v1::IssueCertificateRequest request, EnrollmentRequest(order, caller, key));
  Client client(context, session.clock);
  ASSIGN_OR_RETURN(v1::Certificate certificate,
                   client.IssueCertificate(request, session.clock.Now() + absl::Seconds(30)));
  std::string text =
      fmt::format("Hallmark enrollment credential of station {}; keep it secret, it is good once.{}{}\n{}",
                  order.station, kEndpoint, context.endpoint, key.pem.Reveal());
  text += WithoutRoot(certificate) + (kRoots + 1) + context.roots;
  const Status written = WriteFile(order.out, AsBytes(text), 0600);
  OPENSSL_cleanse(text.data(), text.size());
  RETURN_IF_ERROR(written);
  return certificate;
}

StatusOr<Context> ReadEnrollmentCredential(const fs::path& file) {
  std::error_code error;
  if ((fs::status(file, error).permissions() & fs::perms::others_all) != fs::perms::none && fs::exists(file, error)) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("the credential {0} may be read by others; run: chmod 600 {0}", file.string()));
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kCredentialLimit));
  const size_t endpoint = text.find(kEndpoint);
  const size_t key = text.find(kBegin);
  const size_t certificate = text.find("-----BEGIN CERTIFICATE-----");
  const size_t roots = text.find(kRoots);
  if (roots == text.npos || !(endpoint < key && key < certificate && certificate < roots)) {
    return Invalid(fmt::format(
        "{} is no enrollment credential; an operator makes one with `hallmark station credential`", file.string()));
  }
  Context context;
  const size_t begin = endpoint + sizeof(kEndpoint) - 1;
  context.file = file;
  context.endpoint = text.substr(begin, text.find('\n', begin) - begin);
  context.key = Secret(text.substr(key, certificate - key));
  context.certificate = text.substr(certificate, roots + 1 - certificate);
  context.roots = text.substr(roots + sizeof(kRoots) - 1);
  return context;
}

Status EnrollStation(Session& session, const fs::path& credential, const fs::path& directory) {
  ASSIGN_OR_RETURN(const Context enrollment, ReadEnrollmentCredential(credential));
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(enrollment));
  const std::string uri = fmt::format("hallmark://{}/station/{}", caller.realm, caller.name);
  const fs::path context = directory / "station.yaml";
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Unwritable(directory, error);
  if (fs::exists(context, error)) {
    return Error(
        Code::kAlreadyExists, reason::kConfigurationInvalid,
        fmt::format("{} is there: a station is enrolled. Use it; to enroll anew, remove it first", context.string()));
  }
  ASSIGN_OR_RETURN(const Key key, NextKey(NextKeyPath(context), ""));
  ASSIGN_OR_RETURN(const Bytes csr, MakeCsr(key.key.get(), caller.name, {}));
  Client client(enrollment, session.clock);
  ASSIGN_OR_RETURN(const v1::Certificate certificate, client.EnrollStation(csr));
  RETURN_IF_ERROR(CheckAnswer(certificate, key, uri));
  ASSIGN_OR_RETURN(const Files files, WritePair(context, certificate, key));
  RETURN_IF_ERROR(WriteFile(directory / "station-roots.pem", AsBytes(enrollment.roots)));
  RETURN_IF_ERROR(
      WriteFile(context, AsBytes(fmt::format("# {}\nendpoint: {}\ncertificate: {}\nkey: {}\nroots: station-roots.pem\n",
                                             uri, enrollment.endpoint, files.certificate, files.key))));
  fs::remove(NextKeyPath(context), error);
  return absl::OkStatus();
}

StatusOr<bool> Renew(Session& session, Client& client, bool force) {
  ASSIGN_OR_RETURN(const Context context, session.LoadContext());
  ASSIGN_OR_RETURN(const Bytes leaf, LeafOf(context));
  ASSIGN_OR_RETURN(const ssl::Certificate current, ParseDer(leaf));
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(leaf));
  if (!force && !IsDue(current.get(), session.clock.Now())) return false;
  RemoveOldPairs(context.file);
  ASSIGN_OR_RETURN(const Key key, NextKey(NextKeyPath(context.file), context.key.Reveal()));
  ASSIGN_OR_RETURN(const Bytes csr, MakeCsr(key.key.get(), caller.name, {}));
  // Of this certificate by this key: a repeated command asks the same.
  ASSIGN_OR_RETURN(Bytes question, ssl::ToDer(i2d_PUBKEY, key.key.get()));
  question.insert(question.end(), leaf.begin(), leaf.end());
  StatusOr<v1::Certificate> certificate = client.RenewStation("renewal:" + Hex(Sha256(question)).substr(0, 32), csr);
  std::error_code ignored;
  // What was begun under an authority that has a successor since: with another key, next time.
  if (absl::IsAlreadyExists(certificate.status())) fs::remove(NextKeyPath(context.file), ignored);
  RETURN_IF_ERROR(certificate.status());
  RETURN_IF_ERROR(CheckAnswer(*certificate, key, caller.uri));
  ASSIGN_OR_RETURN(const Files files, WritePair(context.file, *certificate, key));
  ASSIGN_OR_RETURN(const std::string text, Renamed(context.file, files));
  RETURN_IF_ERROR(WriteFile(context.file, AsBytes(text)));
  fs::remove(NextKeyPath(context.file), ignored);
  return true;
}

}  // namespace hallmark::cli
