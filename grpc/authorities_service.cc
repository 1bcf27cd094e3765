#include "base/reason.h"
#include "ca/chain.h"
#include "grpc/services.h"
#include "hallmark/v1/authorities.grpc.pb.h"

namespace hallmark {
namespace {

class AuthoritiesService final : public v1::Authorities::Service {
 public:
  AuthoritiesService(const Calls& calls, std::string base_url) : calls_(calls), base_url_(std::move(base_url)) {}

  grpc::Status GetAuthority(grpc::ServerContext* context, const v1::GetAuthorityRequest* message,
                            v1::Authority* response) override {
    return calls_.Run("GetAuthority", *context, response, [&](const Caller& caller) -> StatusOr<v1::Authority> {
      ASSIGN_OR_RETURN(const IssuerPointer issuer, Find(caller, message->name()));
      return Describe(*issuer);
    });
  }

  grpc::Status ListAuthorities(grpc::ServerContext* context, const v1::ListAuthoritiesRequest*,
                               v1::ListAuthoritiesResponse* response) override {
    return calls_.Run("ListAuthorities", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListAuthoritiesResponse> {
                        RETURN_IF_ERROR(calls_.authority().parts().access.Check(caller, permission::kGetAuthority, {}));
                        v1::ListAuthoritiesResponse authorities;
                        ASSIGN_OR_RETURN(const auto records, calls_.authority().parts().store.ListAuthorities());
                        for (const AuthorityRecord& record : records) {
                          ASSIGN_OR_RETURN(const IssuerPointer issuer, calls_.authority().FindIssuer(record.authority));
                          *authorities.add_authorities() = Describe(*issuer);
                        }
                        return authorities;
                      });
  }

  grpc::Status ExportChain(grpc::ServerContext* context, const v1::ExportChainRequest* message,
                           v1::ExportChainResponse* response) override {
    return calls_.Run("ExportChain", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ExportChainResponse> {
                        ASSIGN_OR_RETURN(const IssuerPointer issuer, Find(caller, message->name()));
                        return Export(*issuer, message->format());
                      });
  }

  grpc::Status FetchCsr(grpc::ServerContext* context, const v1::FetchCsrRequest* message,
                        v1::FetchCsrResponse* response) override {
    return calls_.Run("FetchCsr", *context, response, [&](const Caller& caller) -> StatusOr<v1::FetchCsrResponse> {
      ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->name(), "name"));
      ASSIGN_OR_RETURN(const Bytes csr, calls_.authority().FetchCsr(caller, authority, Calls::Deadline(*context)));
      v1::FetchCsrResponse fetched;
      fetched.set_csr(ToString(csr));
      return fetched;
    });
  }

 private:
  StatusOr<IssuerPointer> Find(const Caller& caller, const std::string& name) const {
    ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(name, "name"));
    RETURN_IF_ERROR(calls_.authority().parts().access.Check(caller, permission::kGetAuthority, {authority, "", ""}));
    return calls_.authority().FindIssuer(authority);
  }

  v1::Authority Describe(const Issuer& issuer) const {
    const std::string& authority = issuer.record().authority;
    return ToProto(issuer, CrlUrl(base_url_, authority), AiaUrl(base_url_, authority));
  }

  static StatusOr<v1::ExportChainResponse> Export(const Issuer& issuer, v1::ExportChainRequest::Format format) {
    v1::ExportChainResponse response;
    switch (format) {
      case v1::ExportChainRequest::FORMAT_UNSPECIFIED:
      case v1::ExportChainRequest::PEM: {
        for (const Bytes& certificate : issuer.chain())
          response.mutable_chain()->append(PemEncode("CERTIFICATE", certificate));
        response.set_content_type("application/pem-certificate-chain");
        return response;
      }
      case v1::ExportChainRequest::PKCS7: {
        response.set_chain(ToString(EncodeCertsOnly(issuer.chain())));
        response.set_content_type("application/pkcs7-mime; smime-type=certs-only");
        return response;
      }
      default: return FieldError(reason::kRequestInvalid, "format", "is not one of PEM and PKCS7");
    }
  }

  const Calls& calls_;
  std::string base_url_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAuthoritiesService(const Calls& calls, const std::string& base_url) {
  return std::make_unique<AuthoritiesService>(calls, base_url);
}

}  // namespace hallmark
