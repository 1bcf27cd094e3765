#include "base/reason.h"
#include "ca/chain.h"
#include "ca/served.h"
#include "grpc/convert_revocation.h"
#include "grpc/services.h"
#include "hallmark/v1/authorities.grpc.pb.h"

namespace hallmark {
namespace {

class AuthoritiesService final : public v1::Authorities::Service {
 public:
  AuthoritiesService(const Calls& calls, Lifecycle& lifecycle) : calls_(calls), lifecycle_(lifecycle) {}

  grpc::Status CreateAuthority(grpc::ServerContext* context, const v1::CreateAuthorityRequest* message,
                               v1::Authority* response) override {
    return calls_.Run("CreateAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const NewAuthority asked, FromProto(*message));
      return Describe(lifecycle_.Create(caller, asked, Calls::Deadline(*context)));
    });
  }

  grpc::Status GetAuthority(grpc::ServerContext* context, const v1::GetAuthorityRequest* message,
                            v1::Authority* response) override {
    return calls_.Run("GetAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const std::string authority, CheckGet(caller, message->name()));
      return Describe(parts().store.GetAuthority(authority));
    });
  }

  grpc::Status ListAuthorities(grpc::ServerContext* context, const v1::ListAuthoritiesRequest*,
                               v1::ListAuthoritiesResponse* response) override {
    return calls_.Run("ListAuthorities", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListAuthoritiesResponse> {
                        RETURN_IF_ERROR(calls_.authority().Authorize(caller, permission::kGetAuthority, {}));
                        v1::ListAuthoritiesResponse authorities;
                        ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> records, parts().store.ListAuthorities());
                        for (const AuthorityRecord& record : records)
                          *authorities.add_authorities() = ToProto(record, parts().issuers.base_url());
                        return authorities;
                      });
  }

  grpc::Status UpdateAuthority(grpc::ServerContext* context, const v1::UpdateAuthorityRequest* message,
                               v1::Authority* response) override {
    return calls_.Run("UpdateAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->authority().name(), "authority.name"));
      ASSIGN_OR_RETURN(const AuthorityChanges changes, FromProto(*message));
      ASSIGN_OR_RETURN(const uint64_t version, ParseEtag(message->authority().etag(), "authority.etag"));
      return Describe(lifecycle_.Update(caller, authority, changes, version));
    });
  }

  grpc::Status SetState(grpc::ServerContext* context, const v1::SetStateRequest* message,
                        v1::Authority* response) override {
    return calls_.Run("SetState", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
      ASSIGN_OR_RETURN(const uint64_t version, ParseEtag(message->etag(), "etag"));
      return Describe(lifecycle_.SetState(caller, authority, static_cast<AuthorityState>(message->state()),
                                          message->keep_predecessor(), version));
    });
  }

  grpc::Status RolloverAuthority(grpc::ServerContext* context, const v1::RolloverAuthorityRequest* message,
                                 v1::Authority* response) override {
    return calls_.Run("RolloverAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
      ASSIGN_OR_RETURN(const Rollover rollover, FromProto(*message));
      return Describe(lifecycle_.RollOver(caller, authority, rollover, Calls::Deadline(*context)));
    });
  }

  grpc::Status ExportChain(grpc::ServerContext* context, const v1::ExportChainRequest* message,
                           v1::ExportChainResponse* response) override {
    return calls_.Run("ExportChain", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ExportChainResponse> {
                        ASSIGN_OR_RETURN(const std::string authority, CheckGet(caller, message->name()));
                        if (IsElsewhere(calls_.authority(), authority)) return ExportAlone(authority);
                        ASSIGN_OR_RETURN(const IssuerPointer issuer, calls_.authority().FindIssuer(authority));
                        return Export(*issuer, message->format());
                      });
  }

  grpc::Status FetchCsr(grpc::ServerContext* context, const v1::FetchCsrRequest* message,
                        v1::FetchCsrResponse* response) override {
    return calls_.Run("FetchCsr", *context, response, [&](const Caller& caller) -> StatusOr<v1::FetchCsrResponse> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
      ASSIGN_OR_RETURN(const Bytes csr, lifecycle_.FetchCsr(caller, authority, Calls::Deadline(*context)));
      v1::FetchCsrResponse fetched;
      fetched.set_csr(ToString(csr));
      return fetched;
    });
  }

  grpc::Status ActivateAuthority(grpc::ServerContext* context, const v1::ActivateAuthorityRequest* message,
                                 v1::Authority* response) override {
    return calls_.Run("ActivateAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
      return Describe(
          lifecycle_.Activate(caller, authority, AsBytes(message->certificates()), message->validate_only()));
    });
  }

  grpc::Status RevokeAuthority(grpc::ServerContext* context, const v1::RevokeAuthorityRequest* message,
                               v1::RevokeAuthorityResponse* response) override {
    return calls_.Run("RevokeAuthority", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::RevokeAuthorityResponse> {
                        ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
                        ASSIGN_OR_RETURN(const AuthorityRevocation asked, FromProto(*message));
                        ASSIGN_OR_RETURN(const auto revoked, lifecycle_.Revoke(caller, authority, asked));
                        return ToProto(revoked, parts().issuers.base_url());
                      });
  }

 private:
  const CertificateAuthority::Parts& parts() const { return calls_.authority().parts(); }

  StatusOr<std::string> CheckGet(const Caller& caller, const std::string& name) const {
    ASSIGN_OR_RETURN(std::string authority, ParseAuthorityName(name, "name"));
    RETURN_IF_ERROR(calls_.authority().Authorize(caller, permission::kGetAuthority,
                                                 {authority, "", "", parts().issuers.Predecessors(authority)}));
    return authority;
  }

  StatusOr<v1::Authority> Describe(const StatusOr<AuthorityRecord>& record) const {
    RETURN_IF_ERROR(record.status());
    return ToProto(*record, parts().issuers.base_url());
  }

  StatusOr<std::string> Bundle(const Issuer& issuer) const {
    const std::shared_ptr<const Issuers::Snapshot> known = parts().issuers.Current();
    std::vector<BundledCertificate> chain;
    for (const Bytes& certificate : issuer.chain()) {
      BundledCertificate bundled{certificate, "", "", ""};
      for (const AuthorityRecord& record : known->records) {
        if (record.certificate != certificate) continue;
        bundled = {certificate, record.authority, CrlUrl(parts().issuers.base_url(), record.authority),
                   AiaUrl(parts().issuers.base_url(), record.authority)};
      }
      chain.push_back(std::move(bundled));
    }
    return ChainBundle(chain);
  }

  // Of an authority above ours whose key is elsewhere: its own certificate, DER, in whatever form it was asked for.
  StatusOr<v1::ExportChainResponse> ExportAlone(const std::string& name) const {
    ASSIGN_OR_RETURN(const Bytes certificate, ServedCertificate(calls_.authority(), name));
    v1::ExportChainResponse response;
    response.set_chain(ToString(certificate));
    response.set_content_type("application/pkix-cert");
    return response;
  }

  StatusOr<v1::ExportChainResponse> Export(const Issuer& issuer, v1::ExportChainRequest::Format format) const {
    v1::ExportChainResponse response;
    switch (format) {
      case v1::ExportChainRequest::FORMAT_UNSPECIFIED:
      case v1::ExportChainRequest::PEM:
        for (const Bytes& certificate : issuer.chain())
          response.mutable_chain()->append(PemEncode("CERTIFICATE", certificate));
        response.set_content_type("application/pem-certificate-chain");
        return response;
      case v1::ExportChainRequest::PKCS7:
        response.set_chain(ToString(EncodeCertsOnly(issuer.chain())));
        response.set_content_type("application/pkcs7-mime; smime-type=certs-only");
        return response;
      case v1::ExportChainRequest::DER:
        response.set_chain(ToString(issuer.record().certificate));
        response.set_content_type("application/pkix-cert");
        return response;
      case v1::ExportChainRequest::JSON: {
        ASSIGN_OR_RETURN(*response.mutable_chain(), Bundle(issuer));
        response.set_content_type("application/json");
        return response;
      }
      default: return FieldError(reason::kRequestInvalid, "format", "is not one of PEM, PKCS7, DER and JSON");
    }
  }

  const Calls& calls_;
  Lifecycle& lifecycle_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAuthoritiesService(const Calls& calls, Lifecycle& lifecycle) {
  return std::make_unique<AuthoritiesService>(calls, lifecycle);
}

}  // namespace hallmark
