// The identity that Azure gives to the machine or the app that Hallmark runs on: no secret is configured.
#pragma once

#include <memory>
#include <string>

#include "publish/authorizer.h"
#include "publish/web_client.h"

namespace hallmark {

struct ManagedIdentityOptions {
  std::string endpoint = "http://169.254.169.254";  // of Azure's instance metadata service
  std::string client_id = "";                       // of a user-assigned identity; empty: the system-assigned one
  std::string resource;                             // that the token is for, e.g. https://management.azure.com
  // Of App Service, Functions and Container Apps: $IDENTITY_ENDPOINT, used instead of `endpoint` unless it is empty,
  // and $IDENTITY_HEADER.
  std::string app_endpoint = "";
  Secret app_secret = {};
};

// `client` and `clock` outlive it.
std::unique_ptr<Authorizer> MakeManagedIdentityAuthorizer(ManagedIdentityOptions options, const WebClient& client,
                                                          const Clock& clock);

}  // namespace hallmark
