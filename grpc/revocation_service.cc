#include <fmt/format.h>

#include <map>
#include <mutex>

#include "base/reason.h"
#include "ca/served.h"
#include "grpc/convert_revocation.h"
#include "grpc/services.h"
#include "hallmark/v1/revocation.grpc.pb.h"

namespace hallmark {
namespace {

class RevocationService final : public v1::Revocation::Service {
 public:
  RevocationService(const Calls& calls, Lifecycle& lifecycle, RevocationParts parts)
      : calls_(calls), lifecycle_(lifecycle), parts_(std::move(parts)) {}

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

  grpc::Status RevokeCertificates(grpc::ServerContext* context, const v1::RevokeCertificatesRequest* message,
                                  v1::RevokeCertificatesResponse* response) override {
    return calls_.Run("RevokeCertificates", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::RevokeCertificatesResponse> {
                        ASSIGN_OR_RETURN(const MassRevocation asked, FromProto(*message));
                        v1::RevokeCertificatesResponse answer;
                        if (message->validate_only()) {
                          ASSIGN_OR_RETURN(const auto preview, parts_.mass_revocations.Preview(caller, asked));
                          *answer.mutable_preview() = ToProto(preview);
                        } else {
                          ASSIGN_OR_RETURN(const auto started, parts_.mass_revocations.Start(caller, asked));
                          *answer.mutable_revocation() = ToProto(started);
                        }
                        return answer;
                      });
  }

  grpc::Status GetMassRevocation(grpc::ServerContext* context, const v1::GetMassRevocationRequest* message,
                                 v1::MassRevocation* response) override {
    return calls_.Run("GetMassRevocation", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::MassRevocation> {
                        ASSIGN_OR_RETURN(const std::string name, ParseRevocationName(message->name()));
                        ASSIGN_OR_RETURN(const auto record, parts_.mass_revocations.Get(caller, name));
                        return ToProto(record);
                      });
  }

  grpc::Status ListMassRevocations(grpc::ServerContext* context, const v1::ListMassRevocationsRequest*,
                                   v1::ListMassRevocationsResponse* response) override {
    return calls_.Run("ListMassRevocations", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListMassRevocationsResponse> {
                        ASSIGN_OR_RETURN(const auto records, parts_.mass_revocations.List(caller));
                        v1::ListMassRevocationsResponse list;
                        for (const MassRevocationRecord& record : records) *list.add_revocations() = ToProto(record);
                        return list;
                      });
  }

  grpc::Status StopMassRevocation(grpc::ServerContext* context, const v1::StopMassRevocationRequest* message,
                                  v1::MassRevocation* response) override {
    return calls_.Run("StopMassRevocation", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::MassRevocation> {
                        ASSIGN_OR_RETURN(const std::string name, ParseRevocationName(message->name()));
                        ASSIGN_OR_RETURN(const auto record, parts_.mass_revocations.Stop(caller, name));
                        return ToProto(record);
                      });
  }

  grpc::Status ImportCrl(grpc::ServerContext* context, const v1::ImportCrlRequest* message,
                         v1::ImportedCrl* response) override {
    return calls_.Run("ImportCrl", *context, response, [&](const Caller& caller) -> StatusOr<v1::ImportedCrl> {
      std::string name;
      if (!message->name().empty()) {
        ASSIGN_OR_RETURN(name,
                         ParseResourceName("importedCrls/", message->name(), "name", "importedCrls/{name} or empty"));
      }
      ASSIGN_OR_RETURN(const auto imported,
                       lifecycle_.ImportCrl(caller, AsBytes(message->crl()), name, message->validate_only()));
      v1::ImportedCrl answer = ToProto(imported.record);
      for (const AuthorityRecord& record : imported.changed) {
        answer.add_changed_authorities("authorities/" + record.authority);
      }
      return answer;
    });
  }

  grpc::Status ListImportedCrls(grpc::ServerContext* context, const v1::ListImportedCrlsRequest*,
                                v1::ListImportedCrlsResponse* response) override {
    return calls_.Run("ListImportedCrls", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListImportedCrlsResponse> {
                        RETURN_IF_ERROR(calls_.authority().Authorize(caller, permission::kGetCrl, {}));
                        ASSIGN_OR_RETURN(const auto records, calls_.authority().parts().store.ListImportedCrls());
                        v1::ListImportedCrlsResponse list;
                        for (const ImportedCrlRecord& record : records) *list.add_crls() = ToProto(record);
                        return list;
                      });
  }

  grpc::Status GetRevocationStatus(grpc::ServerContext* context, const v1::GetRevocationStatusRequest*,
                                   v1::RevocationStatus* response) override {
    return calls_.Run("GetRevocationStatus", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::RevocationStatus> {
                        RETURN_IF_ERROR(calls_.authority().Authorize(caller, permission::kGetCrl, {}));
                        ASSIGN_OR_RETURN(const Freshness freshness, parts_.freshness());
                        return ToProto(freshness);
                      });
  }

  grpc::Status GetCrl(grpc::ServerContext* context, const v1::GetCrlRequest* message, v1::Crl* response) override {
    return calls_.Run("GetCrl", *context, response, [&](const Caller& caller) -> StatusOr<v1::Crl> {
      ASSIGN_OR_RETURN(const std::string authority, Authorize(caller, permission::kGetCrl, message->parent()));
      if (!IsElsewhere(calls_.authority(), authority)) {
        RETURN_IF_ERROR(calls_.authority().FindIssuer(authority).status());
      }
      ASSIGN_OR_RETURN(const CrlRecord crl,
                       ServedCrl(calls_.authority(), authority, {message->shard(), message->delta()}));
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
  // The authority's short name, if the caller may do that to it.
  StatusOr<std::string> Authorize(const Caller& caller, const char* permission, const std::string& parent) const {
    ASSIGN_OR_RETURN(std::string authority, ParseAuthorityName(parent, "parent"));
    RETURN_IF_ERROR(calls_.authority().Authorize(
        caller, permission, {authority, "", "", calls_.authority().parts().issuers.Predecessors(authority)}));
    return authority;
  }

  StatusOr<IssuerPointer> Find(const Caller& caller, const char* permission, const std::string& parent) const {
    ASSIGN_OR_RETURN(const std::string authority, Authorize(caller, permission, parent));
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
  Lifecycle& lifecycle_;
  const RevocationParts parts_;
  std::mutex summaries_mutex_;
  std::map<std::pair<std::string, CrlScope>, v1::Crl> summaries_;  // as they were last told; guarded by the mutex
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRevocationService(const Calls& calls, Lifecycle& lifecycle,
                                                     const RevocationParts& parts) {
  return std::make_unique<RevocationService>(calls, lifecycle, parts);
}

}  // namespace hallmark
