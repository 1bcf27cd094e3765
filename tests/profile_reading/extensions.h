// The extensions that a profile asks for, made by OpenSSL, for tests/profile_reading.h.
#pragma once

#include <map>

#include "tests/profile_reading/names.h"

namespace hallmark::testing {

using MadeExtension = ssl::Owner<X509_EXTENSION, X509_EXTENSION_free>;
using RequestExtensionList =
    ssl::Owner<STACK_OF(X509_EXTENSION), [](auto* all) { sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free); }>;

struct ExtensionSources {
  const YAML::Node& profile;
  const std::string& realm;
  const Circumstances& circumstances;
  X509_REQ* request;
  const STACK_OF(X509_EXTENSION) * requested;
  X509* certificate;  // whose subject and subjectAltName have been found right
};
// By dotted OID. Throws std::runtime_error for what it cannot make.
std::map<std::string, MadeExtension> ExpectedExtensions(const ExtensionSources& sources);

// What the request asks for and the profile does not grant, other than names; empty: nothing.
std::string UngrantedRequest(const ExtensionSources& sources);

std::string OidOf(X509_EXTENSION* extension);

}  // namespace hallmark::testing
