// The texts of a bundle: what a person does with it, and a script that does the same.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace hallmark {

// A certificate of the chain, as the clouds show it.
struct BundleCertificate {
  std::string name;  // "devices": of the file NAME.cer, and in the cloud
  std::string pem;
  std::string subject;  // RFC 4514
  std::string issuer;
  std::string serial;  // lower-case hexadecimal
  std::string sha1;    // upper-case hexadecimal: the thumbprint that Azure shows
  std::string sha256;  // lower-case hexadecimal
  Time not_before;
  Time not_after;
};

struct BundleTexts {
  std::string authority;                 // "devices"
  std::string realm;                     // of the service
  std::vector<BundleCertificate> chain;  // the authority's own first, the root last
  std::string signer_root;               // the file with the root that manifest.p7s verifies up to
  std::string signer_root_sha256;
};

std::string StepsText(const BundleTexts& texts);      // STEPS.md, Markdown
std::string PublishScript(const BundleTexts& texts);  // publish.sh, for bash and az

}  // namespace hallmark
