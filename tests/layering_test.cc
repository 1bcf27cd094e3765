// The laws of the design that can be read off the sources: who includes whom, who sees which C library, who joins a
// signature to X.509, and how long a file may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/places.h"

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // from the root
  std::string room;
  std::string text;
};

constexpr std::array kRooms = {"base", "hsm", "policies", "store", "factory", "ca", "publish", "grpc", "http", "tools"};

std::vector<Source> Sources(std::vector<std::string> rooms = {kRooms.begin(), kRooms.end()}) {
  const fs::path root = hallmark::testing::SourceDirectory();
  std::vector<Source> sources;
  for (const std::string& room : rooms) {
    if (!fs::exists(root / room)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / room)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc" && extension != ".in") continue;
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      sources.push_back({fs::relative(entry.path(), root), room, text.str()});
    }
  }
  return sources;
}

std::vector<std::string> Includes(const Source& source) {
  static const std::regex kInclude("#include ([<\"][^>\"]+)[>\"]");
  std::vector<std::string> includes;
  for (std::sregex_iterator match(source.text.begin(), source.text.end(), kInclude), end; match != end; ++match)
    includes.push_back((*match)[1]);
  return includes;
}

// What each room may include, by the beginning of the name. "*": everything.
const std::map<std::string, std::vector<std::string>> kArrows = {
    {"base", {"base/"}},
    {"hsm", {"base/", "hsm/"}},
    {"policies", {"base/", "policies/"}},
    {"store", {"base/", "store/"}},
    {"factory", {"base/", "store/", "factory/"}},
    {"ca", {"base/", "hsm/signer.h", "policies/", "store/store.h", "store/records.h", "factory/", "ca/"}},
    {"publish",
     {"base/", "hsm/signer.h", "policies/", "store/store.h", "store/records.h", "store/publication.h", "factory/",
      "ca/", "publish/"}},
    {"grpc",
     {"base/", "hsm/signer.h", "policies/", "store/store.h", "store/records.h", "ca/", "publish/", "hallmark/v1/",
      "google/rpc/", "grpc/"}},
    {"http",
     {"base/", "hsm/signer.h", "policies/", "store/store.h", "store/records.h", "ca/", "publish/", "hallmark/v1/",
      "http/"}},
    {"tools", {"*"}},
};

TEST(LayeringTest, RoomsIncludeOnlyWhatTheyMay) {
  const std::vector<Source> sources = Sources();
  ASSERT_GT(sources.size(), 50u);
  for (const Source& source : sources) {
    const std::vector<std::string>& allowed = kArrows.at(source.room);
    for (const std::string& include : Includes(source)) {
      if (include[0] == '<') continue;
      const std::string name = include.substr(1);
      const bool ok = std::any_of(allowed.begin(), allowed.end(),
                                  [&](const std::string& prefix) { return prefix == "*" || name.starts_with(prefix); });
      EXPECT_TRUE(ok) << source.path << " includes " << name;
    }
  }
}

TEST(LayeringTest, EachLibraryIsSeenByItsOwnersOnly) {
  // A library's headers, and the rooms that may include them.
  const std::vector<std::pair<std::string, std::set<std::string>>> owners = {
      {"<p11-kit", {"hsm"}},
      {"<pkcs11", {"hsm"}},
      {"<sqlite3", {"store", "tools"}},  // tools: the station's spool, which is no store of ours
      {"<archive", {"tools"}},
      {"<libpq", {"store"}},
      {"<grpc", {"grpc", "tools"}},
      {"<google/protobuf", {"grpc", "tools"}},
      {"<boost/beast", {"http"}},
      {"<prometheus", {"http"}},
      {"<yaml-cpp", {"base"}},
      {"<spdlog", {"base"}},
      {"<curl", {"publish"}},
      {"<openssl", {"base", "hsm", "ca", "store", "factory", "publish", "tools"}},
      {"<CLI", {"tools"}},
  };
  for (const Source& source : Sources()) {
    for (const std::string& include : Includes(source)) {
      for (const auto& [prefix, rooms] : owners) {
        EXPECT_TRUE(!include.starts_with(prefix) || rooms.contains(source.room))
            << source.path << " includes " << include;
      }
    }
  }
}

TEST(LayeringTest, PoliciesTouchNeitherOpensslNorSocketsNorTheClock) {
  for (const Source& source : Sources()) {
    if (source.room != "policies") continue;
    for (const char* word : {"<openssl", "<sys/socket", "Now()", "getenv", "std::chrono"}) {
      EXPECT_EQ(source.text.find(word), std::string::npos) << source.path << " mentions " << word;
    }
  }
}

TEST(LayeringTest, OnlySealJoinsASignature) {
  for (const Source& source : Sources()) {
    if (source.room == "hsm") continue;
    static const std::regex kSign("(\\.|->)Sign\\(");
    // Seal signs X.509; SignStatement and an application's assertion (a JWT, hence letters) what can never be taken for
    // it.
    const bool may_sign =
        source.path == "ca/draft.cc" || source.path == "ca/statement.cc" || source.path == "publish/entra.cc";
    EXPECT_TRUE(may_sign || !std::regex_search(source.text, kSign)) << source.path << " signs";
    for (const char* call : {"X509_sign(", "X509_CRL_sign(", "OCSP_basic_sign(", "EVP_DigestSign(", "EVP_PKEY_sign(",
                             "ECDSA_sign(", "ECDSA_do_sign(", "RSA_sign("}) {
      // A report's key lives for one signature and is nobody else's.
      if (source.path == "ca/one_time_signer.cc" && call == std::string("EVP_DigestSign(")) continue;
      EXPECT_EQ(source.text.find(call), std::string::npos) << source.path << " calls " << call;
    }
  }
}

TEST(LayeringTest, TheWalkIsShortAndInOrder) {
  const std::vector<Source> sources = Sources();
  const auto source =
      std::find_if(sources.begin(), sources.end(), [](const Source& s) { return s.path == "ca/authority.cc"; });
  ASSERT_NE(source, sources.end());
  const size_t start = source->text.find("StatusOr<Issued> CertificateAuthority::Issue(");
  ASSERT_NE(start, std::string::npos);
  const std::string walk = source->text.substr(start, source->text.find("\n}\n", start) - start);
  EXPECT_LT(std::count(walk.begin(), walk.end(), '\n'), 40);
  size_t last = 0;
  for (const char* step : {"access->Check", "ReadCsr", "Decide(", "Compose(", "LintCertificate(", "store.Intend(",
                           "Finish(issuer, intended"}) {
    const size_t at = walk.find(step);
    ASSERT_NE(at, std::string::npos) << step;
    EXPECT_GT(at, last) << step << " is out of order";
    last = at;
  }
}

TEST(LayeringTest, FilesAreOneIdea) {
  for (const Source& source : Sources())
    EXPECT_LE(std::count(source.text.begin(), source.text.end(), '\n'), 600) << source.path;
}

TEST(LayeringTest, HandlesAreOwnedAndNothingIsFreedByHand) {
  static const std::regex kForbidden("\\bdelete [a-z]|\\bmalloc\\(|\\bfree\\(|[^p]_free\\([a-z]|system\\(|\\bgets\\(");
  for (const Source& source : Sources()) {
    std::smatch match;
    EXPECT_FALSE(std::regex_search(source.text, match, kForbidden)) << source.path << ": " << match.str();
  }
}

// What nobody holds ends with its expression, which the body of a range-for and a reference outlive: of a snapshot,
// whoever replaces it meanwhile takes it away from under them.
TEST(LayeringTest, WhatIsLookedThroughIsHeld) {
  static const std::regex kUnheld(
      R"((for \([^;]* : |& ?\w+ = )[^;{]*\b(Current|Recent)\(\)->|)"
      R"(for \([^;]* : [^;{()]*\b[A-Z]\w*\([^;{()]*\)(\[|->|\.(at|items|value|front|back)\())");
  for (const std::string held :
       {"for (const auto& [a, b] : known->issuers) {", "const auto known = issuers.Current();",
        "const size_t count = issuers.Current()->records.size();", "for (const json& one : Manifest()) {",
        "for (const json& one : manifest.at(\"a\")) {"}) {
    EXPECT_FALSE(std::regex_search(held, kUnheld)) << held;
  }
  for (const std::string unheld :
       {"for (const auto& [a, b] : parts().issuers.Recent()->issuers) {",
        "const ProfileMap& profiles = policies.Current()->profiles;", "for (const json& one : Manifest().at(\"a\")) {",
        "for (const json& one : world.cloud.State(1)[\"a\"]) {"}) {
    EXPECT_TRUE(std::regex_search(unheld, kUnheld)) << unheld;
  }
  std::vector<std::string> rooms = {kRooms.begin(), kRooms.end()};
  rooms.push_back("tests");
  for (const Source& source : Sources(rooms)) {
    if (source.path == "tests/layering_test.cc") continue;
    std::istringstream lines(source.text);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_FALSE(std::regex_search(line, kUnheld)) << source.path << ": " << line;
    }
  }
}

}  // namespace
