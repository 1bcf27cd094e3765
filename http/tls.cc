#include "http/tls.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>

#include "base/reason.h"

namespace hallmark {
namespace {

namespace asio = boost::asio;

// Takes what OpenSSL has to say of it, too.
Status Unfit(const std::string& what, const boost::system::error_code& error) {
  ERR_clear_error();
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("HTTP cannot be served with TLS: the {} ({}); give a certificate with its chain and its key, "
                  "both in PEM",
                  what, error.message()));
}

}  // namespace

Status TlsSettings::Set(const HttpTls& tls) {
  const auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // many connections wait
  boost::system::error_code error;
  context->set_password_callback([](size_t, auto) { return std::string(); }, error);  // nobody is there to be asked
  if (error) return Unfit("key cannot be read", error);
  context->use_certificate_chain(asio::buffer(tls.certificate_chain), error);
  if (error) return Unfit("certificate does not load", error);
  const std::string_view key = tls.private_key.Reveal();
  context->use_private_key(asio::buffer(key.data(), key.size()), asio::ssl::context::pem, error);
  if (error) return Unfit("key does not load, or is not the certificate's", error);
  const std::lock_guard lock(mutex_);
  context_ = context;
  return absl::OkStatus();
}

std::shared_ptr<asio::ssl::context> TlsSettings::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace hallmark
