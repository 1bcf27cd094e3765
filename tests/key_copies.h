// An authority's key on a token of the test's own, imported as a copy of a key that was made outside.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "hsm/key_exception.h"
#include "hsm/pkcs11_signer.h"
#include "tests/command.h"
#include "tests/own_hsm.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

inline constexpr SignatureAlgorithm kEcdsa = SignatureAlgorithm::kEcdsaSha256;
inline const std::vector<std::string> kImported = {"not_always_sensitive", "not_never_extractable", "not_local"};
inline constexpr char kWhy[] = "copied from the token that is retired";

// The output of a shell command, after checking that it succeeded.
inline std::string Shell(const std::string& command) {
  const CommandResult result = RunCommand(command);
  EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
  return result.output;
}

inline bool SignsAndVerifies(const Signer& signer, const std::string& tbs = "tbs") {
  const StatusOr<Bytes> signature = signer.Sign(AsBytes(tbs), absl::InfiniteFuture());
  EXPECT_THAT(signature, IsOk());
  return signature.ok() && Verifies(signer, AsBytes(tbs), *signature);
}

inline Status SignStatus(const Signer& signer) { return signer.Sign(AsBytes("tbs"), absl::InfiniteFuture()).status(); }

// What `attempt` says once the token has noticed that it is back, for which it may take its time.
template <class Attempt>
Status OnceUp(const Attempt& attempt) {
  Status status = attempt();
  for (; status.code() == Code::kUnavailable; status = attempt()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return status;
}

inline KeyException Accept(const KeyUri& uri, const std::vector<std::string>& attributes = kImported) {
  return KeyException::Create(uri.ToString(), attributes, kWhy).value();
}

inline std::vector<std::string> Names(const std::vector<AcceptedWeakness>& accepted) {
  std::vector<std::string> names;
  for (const AcceptedWeakness& weakness : accepted) {
    names.push_back(weakness.attribute);
    EXPECT_EQ(weakness.reason, kWhy);
  }
  return names;
}

// A key that was made outside.
struct OutsideKey {
  std::filesystem::path pem;
  Bytes spki;
  std::string sha256;  // of spki, as OpenSSL says
};

inline OutsideKey MakeKey(const std::filesystem::path& directory, const std::string& name,
                          const std::string& algorithm = "EC -pkeyopt ec_paramgen_curve:P-256") {
  OutsideKey key = {directory / (name + ".pem"), {}, ""};
  const std::string der = (directory / (name + ".der")).string();
  Shell(fmt::format(
      "openssl genpkey -quiet -algorithm {} -out {pem} && openssl pkey -in {pem} -pubout -outform DER -out {der}",
      algorithm, fmt::arg("pem", key.pem.string()), fmt::arg("der", der)));
  key.spki = ToBytes(AsBytes(ReadFile(der).value()));
  key.sha256 = Shell(fmt::format("openssl dgst -sha256 -r {} | cut -d' ' -f1 | tr -d '\\n'", der));
  return key;
}

class SignerTest : public ::testing::Test {
 protected:
  // The imported key "devices" with what a copy needs.
  std::unique_ptr<Pkcs11Signer> Open(const OwnHsm& hsm, const Bytes& expected) const {
    return OpenSigner(
               hsm.MakeToken(), hsm.Uri("devices"),
               {.algorithm = kEcdsa, .expected_public_key = expected, .exceptions = {Accept(hsm.Uri("devices"))}})
        .value();
  }
  std::string File(const std::string& name) const { return (directory_ / name).string(); }

  const TemporaryDirectory directory_;
  OwnHsm hsm_{"first"};
  const OutsideKey key_ = MakeKey(directory_.path(), "key");
  const OutsideKey other_key_ = MakeKey(directory_.path(), "other");
};

}  // namespace hallmark::testing
