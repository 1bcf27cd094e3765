#include "grpc/services.h"
#include "hallmark/v1/publication.grpc.pb.h"
#include "publish/bundle.h"

namespace hallmark {
namespace {

class PublicationService final : public v1::Publication::Service {
 public:
  explicit PublicationService(const Calls& calls) : calls_(calls) {}

  grpc::Status ExportBundle(grpc::ServerContext* context, const v1::ExportBundleRequest* message,
                            v1::ExportBundleResponse* response) override {
    return calls_.Run(
        "ExportBundle", *context, response, [&](const Caller& caller) -> StatusOr<v1::ExportBundleResponse> {
          ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->authority(), "authority"));
          ASSIGN_OR_RETURN(const Bundle bundle,
                           MakeBundle(calls_.authority(), caller, authority, Calls::Deadline(*context)));
          v1::ExportBundleResponse exported;
          for (const auto& [name, content] : bundle) {
            v1::ExportBundleResponse::File& file = *exported.add_files();
            file.set_name(name);
            file.set_content(content);
          }
          return exported;
        });
  }

 private:
  const Calls& calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePublicationService(const Calls& calls) {
  return std::make_unique<PublicationService>(calls);
}

}  // namespace hallmark
