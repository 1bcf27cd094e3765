// Client's calls about publication.
#include "tools/hallmark/client_connection.h"

namespace hallmark::cli {

StatusOr<v1::ExportBundleResponse> Client::ExportBundle(const std::string& authority) {
  v1::ExportBundleRequest request;
  request.set_authority(authority);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::ExportBundle, request,
                           connection_->Deadline());
}

}  // namespace hallmark::cli
