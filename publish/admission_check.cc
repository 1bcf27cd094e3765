#include "publish/admission_check.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/openssl.h"
#include "base/reason.h"
#include "base/text.h"
#include "publish/wanted_chain.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr int kRefused = 401002;
constexpr size_t kIdLimit = 64;  // a CN's upper bound, RFC 5280 appendix A.1
constexpr std::array<const char*, 2> kSlots = {"primary", "secondary"};

// `index`: of the chain, whose first one a caller gives by itself.
StatusOr<ssl::Certificate> Decode(ByteView der, size_t index) {
  const unsigned char* at = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr || at != der.data() + der.size()) {
    ERR_clear_error();
    return FieldError(reason::kRequestInvalid, index == 0 ? "certificate" : fmt::format("chain[{}]", index - 1),
                      "is no certificate in DER");
  }
  return certificate;
}

// What was written to a BIO in memory.
std::string Written(BIO* out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string NameText(const X509_NAME* name) {
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  return Written(out.get());
}

// Empty: there is none. nullopt: it is no text that can be shown, whatever its string type says.
std::optional<std::string> CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  const bool written = out != nullptr && ASN1_STRING_print_ex(out.get(), value, ASN1_STRFLGS_UTF8_CONVERT) >= 0;
  ERR_clear_error();
  if (!written) return std::nullopt;
  std::string text = Written(out.get());
  if (!IsCleanUtf8(text)) return std::nullopt;
  return text;
}

bool IsRegistrationId(const std::string& id) {
  const auto allowed = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == ':';
  };
  return !id.empty() && id.size() <= kIdLimit && std::all_of(id.begin(), id.end(), allowed) &&
         (absl::ascii_isalnum(static_cast<unsigned char>(id.back())) || id.back() == '-');
}

std::string TextAt(const json& object, const json::json_pointer& at) {
  return object.is_object() && object.contains(at) && object[at].is_string() ? object[at].get<std::string>() : "";
}

class Check {
 public:
  Check(const ServiceState& state, Time now) : state_(state), now_(now) {}

  AdmissionVerdict Run(const std::vector<Bytes>& chain) {
    chain_ = chain;
    return Finish(Read(0) && CheckLeaf() && CheckLinks() && Decide());
  }

  AdmissionVerdict Run(const ProspectiveDevice& device, const std::vector<Bytes>& issuers) {
    chain_ = {Bytes()};  // to come
    chain_.insert(chain_.end(), issuers.begin(), issuers.end());
    certificates_.emplace_back();
    return Finish(Read(1) && CheckProfile(device) && CheckLinks() && Decide());
  }

 private:
  AdmissionVerdict Finish(bool admitted) {
    verdict_.admitted = admitted;
    if (!admitted) verdict_.error_code = kRefused;
    return std::move(verdict_);
  }

  bool Read(size_t first) {
    for (size_t i = first; i < chain_.size(); ++i) {
      StatusOr<ssl::Certificate> certificate = Decode(chain_[i], i);
      if (!certificate.ok()) {
        return Refuse(Message(certificate.status()), "Give certificates in PEM or DER, the device's first.");
      }
      certificates_.push_back(*std::move(certificate));
    }
    return true;
  }

  void Note(const std::string& what) { verdict_.findings.push_back({true, what}); }
  bool Refuse(const std::string& what, const std::string& advice) {
    verdict_.findings.push_back({false, what});
    verdict_.advice = advice;
    return false;
  }

  bool IsValid(const X509* certificate) const {
    time_t at = absl::ToTimeT(now_);
    return X509_cmp_time(X509_get0_notBefore(certificate), &at) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &at) > 0;
  }

  bool CheckLeaf() {
    const X509* leaf = certificates_.front().get();
    const std::optional<std::string> name = CommonName(leaf);
    if (!name.has_value() || !IsRegistrationId(*name)) {
      return Refuse(
          name.has_value() ? fmt::format("the device's CN \"{}\" is no registration id", Shorten(*name, kIdLimit))
                           : "the device's CN has characters that are no text, and is no registration id",
          "Certify the device under a CN of 1 to 64 characters A-Z a-z 0-9 - . _ : with a letter, a digit or a "
          "dash at its end (profile device-dps).");
    }
    Note("the device's CN is the registration id " + *name);
    if (!IsValid(leaf)) {
      return Refuse("the device's certificate is expired or not valid yet", "Issue the device another certificate.");
    }
    NoteClientAuth((X509_get_extended_key_usage(certificates_.front().get()) & XKU_SSL_CLIENT) != 0);
    return true;
  }

  bool CheckProfile(const ProspectiveDevice& device) {
    if (!device.common_name) {
      return Refuse(fmt::format("profile {} gives a device no CN, which would be its registration id", device.profile),
                    "Announce the lot under a profile whose subject has a CN (device-dps).");
    }
    Note(fmt::format("under profile {} the device's CN is its registration id", device.profile));
    NoteClientAuth(device.client_auth);
    return true;
  }

  void NoteClientAuth(bool there) {
    if (there) return;
    verdict_.findings.push_back({false, "the device's certificate is not for TLS clients (clientAuth)"});
    verdict_.advice =
        "Certify devices under a profile with clientAuth; whether the service insists on it is not documented.";
  }

  bool CheckLinks() {
    for (size_t i = 0; i + 1 < certificates_.size(); ++i) {
      X509* below = certificates_[i].get();
      X509* above = certificates_[i + 1].get();
      const std::string issuer = NameText(X509_get_subject_name(above));
      EVP_PKEY* key = X509_get0_pubkey(above);
      const bool issued = below == nullptr || (X509_check_issued(above, below) == X509_V_OK && key != nullptr &&
                                               X509_verify(below, key) == 1);
      ERR_clear_error();
      if (!issued) {
        return Refuse(
            fmt::format("certificate {} of the chain was not issued by {}, which follows it", i + 1, issuer),
            "Let the device send its certificate, then each issuer's, up to one that the service has verified.");
      }
      if (!IsValid(above)) {
        return Refuse(fmt::format("the authority {} is expired or not valid yet", issuer),
                      "Roll the authority over, publish its successor, and issue the device another certificate.");
      }
    }
    return true;
  }

  bool Decide() {
    if (state_.enrollment.is_object()) return DecideByEnrollment();
    return DecideByGroup() && CheckVerified();
  }

  static std::string StatusOf(const json& enrollment) {
    const std::string status = TextAt(enrollment, json::json_pointer("/provisioningStatus"));
    return status.empty() ? "enabled" : status;
  }

  bool DecideByEnrollment() {
    if (StatusOf(state_.enrollment) == "disabled") {
      return Refuse(
          "the device has an individual enrollment, which is disabled",
          "If the device is to be let in, release its certificate or reissue it here; if somebody disabled it by "
          "hand, enable it in the service.");
    }
    const std::string mine = FingerprintOf(chain_.front());
    for (const char* slot : kSlots) {
      const json::json_pointer at(fmt::format("/attestation/x509/clientCertificates/{}/info/sha256Thumbprint", slot));
      if (absl::AsciiStrToUpper(TextAt(state_.enrollment, at)) != mine) continue;
      Note(fmt::format("the device has an individual enrollment for this very certificate ({})", slot));
      return chain_.size() == 1 || CheckVerified();
    }
    return Refuse("the device has an individual enrollment, for another certificate",
                  "It is pinned to its newest certificate: use that one.");
  }

  // Which slot of a group is the certificate at `index` of the chain; empty: none.
  std::string SlotFor(const json& group, size_t index) const {
    const std::string sha256 = FingerprintOf(chain_[index]);
    const std::string sha1 = ThumbprintOf(chain_[index]);
    for (const char* slot : kSlots) {
      const json::json_pointer inline_at(
          fmt::format("/attestation/x509/signingCertificates/{}/info/sha256Thumbprint", slot));
      if (absl::AsciiStrToUpper(TextAt(group, inline_at)) == sha256) return slot;
      const std::string reference =
          TextAt(group, json::json_pointer(fmt::format("/attestation/x509/caReferences/{}", slot)));
      for (const FoundCertificate& one : state_.certificates) {
        if (!reference.empty() && one.name == reference && one.thumbprint == sha1) return slot;
      }
    }
    return "";
  }

  bool DecideByGroup() {
    Note("the device has no individual enrollment, so that an enrollment group decides");
    for (size_t i = 1; i < chain_.size(); ++i) {
      const std::string authority = NameText(X509_get_subject_name(certificates_[i].get()));
      for (const json& group : state_.groups) {
        const std::string slot = SlotFor(group, i);
        if (slot.empty()) continue;
        const std::string id = TextAt(group, json::json_pointer("/enrollmentGroupId"));
        if (StatusOf(group) == "disabled") {
          return Refuse(fmt::format("the closest group is {}, by {} ({}), and it is disabled", id, authority, slot),
                        "A group further up does not count once one matches. Enable it if its authority is good.");
        }
        Note(fmt::format("the closest group is {}, by {} ({})", id, authority, slot));
        return true;
      }
      Note("no group is bound to " + authority);
    }
    return Refuse(
        chain_.size() == 1 ? "the device sends no issuer's certificate" : "no group matches any authority of the chain",
        "Publish a group for one of these authorities (hallmark publish dps apply), and let the device send its "
        "whole chain (the file that `hallmark certificate issue` writes).");
  }

  bool CheckVerified() {
    for (size_t i = 1; i < chain_.size(); ++i) {
      const std::string sha1 = ThumbprintOf(chain_[i]);
      for (const FoundCertificate& one : state_.certificates) {
        if (one.thumbprint != sha1 || !one.verified) continue;
        Note(fmt::format("the chain reaches {}, which the service has verified",
                         NameText(X509_get_subject_name(certificates_[i].get()))));
        return true;
      }
    }
    return Refuse(
        "the chain reaches no certificate that the service has verified (\"CA certificate not found\")",
        "Let the device send its chain up to a verified authority, or have one of these proven (hallmark publish "
        "dps apply).");
  }

  const ServiceState& state_;
  const Time now_;
  std::vector<Bytes> chain_;
  std::vector<ssl::Certificate> certificates_;  // of the chain; nullptr: the device's, which is to come
  AdmissionVerdict verdict_;
};

}  // namespace

AdmissionVerdict CheckAdmission(const std::vector<Bytes>& chain, const ServiceState& state, Time now) {
  return Check(state, now).Run(chain);
}

AdmissionVerdict CheckProspect(const ProspectiveDevice& device, const std::vector<Bytes>& issuers,
                               const ServiceState& state, Time now) {
  return Check(state, now).Run(device, issuers);
}

StatusOr<std::optional<std::string>> RegistrationIdOf(const std::vector<Bytes>& chain) {
  if (chain.empty()) return FieldError(reason::kRequestInvalid, "certificate", "is missing");
  ASSIGN_OR_RETURN(const ssl::Certificate leaf, Decode(chain.front(), 0));
  for (size_t i = 1; i < chain.size(); ++i) RETURN_IF_ERROR(Decode(chain[i], i).status());
  const std::optional<std::string> name = CommonName(leaf.get());
  if (!name.has_value() || !IsRegistrationId(*name)) return std::optional<std::string>();
  return name;
}

}  // namespace hallmark
