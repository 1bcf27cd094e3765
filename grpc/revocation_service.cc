#include <fmt/format.h>

#include <map>
#include <mutex>

#include "base/reason.h"
#include "grpc/services.h"
#include "hallmark/v1/revocation.grpc.pb.h"

namespace hallmark {
namespace {

class RevocationService final : public v1::Revocation::Service {
 public:
  explicit RevocationService(const Calls& calls) : calls_(calls) {}

  grpc::Status RevokeCertificate(grpc::ServerContext* context, const v1::RevokeCertificateRequest* message,
                                 v1::Certificate* response) override {
    return calls_.Run("RevokeCertificate", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
      ASSIGN_OR_RETURN(const CertificateName name, ParseCertificateName(message->name()));
      ASSIGN_OR_RETURN(const RevocationReason reason, FromProto(message->reason()));
      std::optional<Time> invalidity;
      if (message->has_invalidity_time()) invalidity = absl::FromUnixSeconds(message->invalidity_time().seconds());
      ASSIGN_OR_RETURN(const CertificateRecord record,
                       calls_.authority().Revoke(caller, name.authority, name.serial, reason, invalidity));
      return ToProto(record);
    });
  }

  grpc::Status ReleaseCertificate(grpc::ServerContext* context, const v1::ReleaseCertificateRequest* message,
                                  v1::Certificate* response) override {
    return calls_.Run("ReleaseCertificate", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
      ASSIGN_OR_RETURN(const CertificateName name, ParseCertificateName(message->name()));
      ASSIGN_OR_RETURN(const CertificateRecord record, calls_.authority().Release(caller, name.authority, name.serial));
      return ToProto(record);
    });
  }

  grpc::Status RevokeCertificateByKey(grpc::ServerContext* context, const v1::RevokeCertificateByKeyRequest* message,
                                      v1::Certificate* response) override {
    return calls_.Run(
        "RevokeCertificateByKey", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
          ASSIGN_OR_RETURN(const CertificateName name, ParseCertificateName(message->name()));
          ASSIGN_OR_RETURN(
              const CertificateRecord record,
              calls_.authority().RevokeByKey(caller, name.authority, name.serial, AsBytes(message->signature())));
          return ToProto(record);
        });
  }

  grpc::Status GetCrl(grpc::ServerContext* context, const v1::GetCrlRequest* message, v1::Crl* response) override {
    return calls_.Run("GetCrl", *context, response, [&](const Caller& caller) -> StatusOr<v1::Crl> {
      ASSIGN_OR_RETURN(const IssuerPointer issuer, Find(caller, permission::kGetCrl, message->parent()));
      ASSIGN_OR_RETURN(const CrlRecord crl, calls_.authority().parts().store.LatestCrl(
                                                issuer->record().authority, {message->shard(), message->delta()}));
      return ToProto(crl);
    });
  }

  grpc::Status ListCrls(grpc::ServerContext* context, const v1::ListCrlsRequest* message,
                        v1::ListCrlsResponse* response) override {
    return calls_.Run("ListCrls", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListCrlsResponse> {
      ASSIGN_OR_RETURN(const IssuerPointer issuer, Find(caller, permission::kGetCrl, message->parent()));
      const std::string& authority = issuer->record().authority;
      ASSIGN_OR_RETURN(const auto latest, calls_.authority().parts().store.LatestCrls(authority));
      v1::ListCrlsResponse lists;
      for (const auto& [scope, record] : latest) {
        ASSIGN_OR_RETURN(*lists.add_crls(), Summary(authority, scope, record));
      }
      return lists;
    });
  }

  grpc::Status GenerateCrl(grpc::ServerContext* context, const v1::GenerateCrlRequest* message,
                           v1::Crl* response) override {
    return calls_.Run("GenerateCrl", *context, response, [&](const Caller& caller) -> StatusOr<v1::Crl> {
      ASSIGN_OR_RETURN(const IssuerPointer issuer, Find(caller, permission::kGenerateCrl, message->parent()));
      ASSIGN_OR_RETURN(const CrlScope scope, ScopeOf(issuer->record().authority, message->shard(), message->delta()));
      ASSIGN_OR_RETURN(const CrlRecord crl, calls_.authority().GenerateCrl(*issuer, Calls::Deadline(*context), scope));
      return ToProto(crl);
    });
  }

 private:
  StatusOr<IssuerPointer> Find(const Caller& caller, const char* permission, const std::string& parent) const {
    ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(parent, "parent"));
    RETURN_IF_ERROR(calls_.authority().Authorize(
        caller, permission, {authority, "", "", calls_.authority().parts().issuers.Predecessors(authority)}));
    return calls_.authority().FindIssuer(authority);
  }

  // What there is to say of a list whose octets were not read. Only of one that is news are they, for their size.
  StatusOr<v1::Crl> Summary(const std::string& authority, const CrlScope& scope, const CrlRecord& record) {
    {
      const std::lock_guard lock(summaries_mutex_);
      const auto known = summaries_.find({authority, scope});
      if (known != summaries_.end() && known->second.number() == record.number) return known->second;
    }
    ASSIGN_OR_RETURN(const CrlRecord whole, calls_.authority().parts().store.LatestCrl(authority, scope));
    v1::Crl summary = ToProto(whole);
    summary.clear_crl();
    const std::lock_guard lock(summaries_mutex_);
    summaries_[{authority, scope}] = summary;
    return summary;
  }

  // Of a list that there is to be.
  StatusOr<CrlScope> ScopeOf(const std::string& authority, int64_t shard, bool delta) const {
    ASSIGN_OR_RETURN(const auto shards, calls_.authority().ShardsOf(authority));
    if (!shards.contains(shard)) {
      return FieldError(reason::kRequestInvalid, "shard",
                        fmt::format("must be one of the {} there are", shards.size()));
    }
    if (delta && calls_.authority().parts().crl_delta_lifetime == absl::ZeroDuration()) {
      return FieldError(reason::kRequestInvalid, "delta", "needs crl.delta_lifetime in the service's configuration");
    }
    return CrlScope{shard, delta};
  }

  const Calls& calls_;
  std::mutex summaries_mutex_;
  std::map<std::pair<std::string, CrlScope>, v1::Crl> summaries_;  // as they were last told; guarded by the mutex
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRevocationService(const Calls& calls) {
  return std::make_unique<RevocationService>(calls);
}

}  // namespace hallmark
