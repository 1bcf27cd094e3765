#include "publish/sas.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <mutex>

#include "base/openssl.h"
#include "base/reason.h"
#include "publish/web_client.h"

namespace hallmark {
namespace {

constexpr Duration kLifetime = absl::Hours(1);
constexpr Duration kReserve = absl::Minutes(5);

Secret FirstLine(const Secret& text) {
  return Secret(std::string(text.Reveal().substr(0, text.Reveal().find_first_of("\r\n"))));
}

class SasAuthorizer : public Authorizer {
 public:
  SasAuthorizer(SasOptions options, const SecretEnvironment& environment, const Clock& clock)
      : options_(std::move(options)), environment_(environment), clock_(clock) {}

  StatusOr<Secret> Authorization(const std::string& host, Time) override {
    const Time now = clock_.Now();
    const std::string version = SecretVersion(options_.key, environment_);
    const std::lock_guard lock(mutex_);
    Signature& kept = signatures_[host];
    if (kept.value.empty() || now >= kept.expires - kReserve || now < kept.expires - kLifetime ||
        kept.key_version != version) {
      kept = {};
      ASSIGN_OR_RETURN(const Secret key, ReadSecret(options_.key, environment_));
      StatusOr<Secret> value = MakeSharedAccessSignature(host, options_.policy, FirstLine(key), now + kLifetime);
      if (!value.ok()) return Annotate(value.status(), Describe());
      kept = {.value = *std::move(value), .expires = now + kLifetime, .key_version = version};
    }
    return kept.value.Copy();
  }

  void Forget(const Secret& authorization) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(signatures_,
                  [&](const auto& entry) { return entry.second.value.Reveal() == authorization.Reveal(); });
  }

  std::string Describe() const override {
    return fmt::format("the SAS key of policy '{}' in {}", options_.policy, options_.key.ToString());
  }

 private:
  struct Signature {
    Secret value = {};
    Time expires = absl::InfinitePast();
    std::string key_version = {};
  };

  const SasOptions options_;
  const SecretEnvironment& environment_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Signature> signatures_;  // by host; guarded by mutex_
};

}  // namespace

StatusOr<Secret> MakeSharedAccessSignature(const std::string& host, const std::string& policy, const Secret& key,
                                           Time expires) {
  StatusOr<Bytes> octets = FromBase64(key.Reveal());
  if (!octets.ok() || octets->empty()) {
    return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                 "it is not base64; copy the policy's primary or secondary key as Azure shows it");
  }
  std::string lower = host;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  const std::string resource = PercentEncode(lower);
  const int64_t end = absl::ToUnixSeconds(expires);
  const std::string signed_text = fmt::format("{}\n{}", resource, end);
  Bytes signature(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  const uint8_t* const made = HMAC(EVP_sha256(), octets->data(), static_cast<int>(octets->size()),
                                   AsBytes(signed_text).data(), signed_text.size(), signature.data(), &size);
  OPENSSL_cleanse(octets->data(), octets->size());
  if (made == nullptr) return Error(Code::kInternal, reason::kInternal, "HMAC failed: " + ssl::DrainErrors());
  signature.resize(size);
  return Secret(fmt::format("SharedAccessSignature sr={}&sig={}&se={}&skn={}", resource,
                            PercentEncode(Base64(signature)), end, PercentEncode(policy)));
}

std::unique_ptr<Authorizer> MakeSasAuthorizer(SasOptions options, const SecretEnvironment& environment,
                                              const Clock& clock) {
  return std::make_unique<SasAuthorizer>(std::move(options), environment, clock);
}

}  // namespace hallmark
