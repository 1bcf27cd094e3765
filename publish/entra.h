// Entra ID for an application that proves itself with a certificate: OAuth 2.0 client credentials (RFC 6749 4.4) with a
// signed assertion (RFC 7523 2.2) in place of a password.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "hsm/signer.h"
#include "publish/authorizer.h"
#include "publish/web_client.h"

namespace hallmark {

// Opens the key of the certificate whose SubjectPublicKeyInfo is `spki`, from its file or on its token.
using OpenAssertionKey = std::function<StatusOr<std::shared_ptr<const Signer>>(ByteView spki)>;

struct EntraOptions {
  std::string login;                  // https://login.microsoftonline.com, without a slash at its end
  std::string tenant;                 // a name or an id
  std::string client_id;              // of the application
  std::string scope;                  // that the token is for, e.g. https://management.azure.com/.default
  std::filesystem::path certificate;  // PEM; the first one in the file, as it is uploaded to the application
  OpenAssertionKey open_key;
};

// Returns the assertion: a JWT (RFC 7519) that names `audience`, where it is sent to, is good for 10 minutes from `now`
// and is signed with PS256 or RS256, as `key` signs. `certificate`: DER.
// kFailedPrecondition: KEY_UNSUPPORTED, Entra ID takes no other algorithm; otherwise as Signer::Sign.
StatusOr<Secret> MakeClientAssertion(const std::string& audience, const std::string& client_id, ByteView certificate,
                                     const Signer& key, Time now, Time deadline);

// Certificate and key are read for each new token. `client` and `clock` outlive it.
std::unique_ptr<Authorizer> MakeEntraAuthorizer(EntraOptions options, const WebClient& client, const Clock& clock);

}  // namespace hallmark
