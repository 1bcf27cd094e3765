// hallmark doctor --hsm, p11tool and pkcs11-tool on the same tokens: they must see the same and come to the same
// verdict.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "tests/doctor_hsm.h"

namespace hallmark {
namespace {

using nlohmann::json;
using testing::CommandResult;
using testing::Doctor;
using ::testing::HasSubstr;
using testing::Instance;
using testing::kSoftHsm;
using testing::Report;

// One group of each match, in order.
std::vector<std::string> Matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

class AgreementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    instance_.MustShell(
        "pkcs11 --keypairgen --key-type rsa:3072 --label foreign --id 0b --usage-sign && "
        "pkcs11 --keypairgen --key-type EC:secp384r1 --label bare --id 0c --usage-sign && "
        "pkcs11 --delete-object --type pubkey --label bare && "
        "openssl x509 -in $CA/tls/root.pem -outform DER -out $CA/root.der && "
        "pkcs11 --write-object $CA/root.der --type cert --id 0d --label root-certificate");
    report_ = Doctor(instance_, fmt::format("--module {} --token '{}'", kSoftHsm, instance_.TokenUri()));
  }
  std::string Tool(const std::string& command) const {
    const CommandResult result = instance_.Shell(command);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }
  std::multiset<std::string> DoctorsObjects() const {
    std::multiset<std::string> objects;
    for (const json& object : report_.hsm()["objects"]) {
      objects.insert(fmt::format("{} {} {}", object["class"].get<std::string>(), object["id"].get<std::string>(),
                                 object["label"].get<std::string>()));
    }
    return objects;
  }

  const Instance instance_;
  Report report_;
};

TEST_F(AgreementTest, P11toolListsTheSameTokensObjectsAndKeyTypes) {
  const std::string tokens = Tool("p11tool --provider $M --list-tokens");
  const json& token = report_.hsm()["token"];
  EXPECT_EQ(Matches(tokens, "\n\tLabel: (\\S+)\n"), std::vector<std::string>{token["label"]});
  EXPECT_EQ(Matches(tokens, "\n\tSerial: (\\S+)\n").front(), token["serial"]);
  EXPECT_EQ(Matches(tokens, "\n\tModel: ([^\n]+)\n").front(), token["model"]);
  EXPECT_EQ(Matches(tokens, "Flags: .*(Requires login)").size(), token["login_required"] == true ? 1u : 0u);

  const std::string all = Tool("p11tool --provider $M --login --set-pin $PIN --list-all 'pkcs11:token=hallmark'");
  const std::vector<std::string> types = Matches(all, ";type=([a-z]+)\n");
  const std::vector<std::string> labels = Matches(all, "\n\tLabel: (\\S+)\n");
  const std::vector<std::string> ids = Matches(all, "\n\tID: (\\S+)\n");
  ASSERT_EQ(types.size(), labels.size());
  ASSERT_EQ(types.size(), ids.size());
  std::multiset<std::string> objects;
  for (size_t i = 0; i < types.size(); ++i) {
    std::string id = ids[i];
    std::erase(id, ':');
    objects.insert(fmt::format("{} {} {}", types[i], id, labels[i]));
  }
  EXPECT_EQ(objects.size(), 10u);
  EXPECT_EQ(objects, DoctorsObjects());

  const std::map<std::string, std::string> kNames = {
      {"EC P-256", "EC/ECDSA-SECP256R1"}, {"EC P-384", "EC/ECDSA-SECP384R1"}, {"RSA 3072", "RSA-3072"}};
  for (const json& key : report_.hsm()["keys"]) {
    const std::string listed = Tool(
        fmt::format("p11tool --provider $M --login --set-pin $PIN --list-all '{}'", key["uri"].get<std::string>()));
    // p11tool reads the curve off the public key.
    const std::string type = key["has_public_key"] == true ? kNames.at(key["type"]) : "EC/ECDSA";
    EXPECT_THAT(listed, HasSubstr(fmt::format("Type: Private key ({})", type)));
    const json& attributes = key["attributes"];
    EXPECT_EQ(listed.find("CKA_SENSITIVE") != listed.npos, attributes["sensitive"] == true) << listed;
    EXPECT_EQ(listed.find("CKA_NEVER_EXTRACTABLE") != listed.npos, attributes["never_extractable"] == true) << listed;
    EXPECT_EQ(listed.find("CKA_WRAP/UNWRAP") != listed.npos, attributes["unwrap"] == true) << listed;
  }
}

TEST_F(AgreementTest, BothToolsListTheSameMechanisms) {
  const std::string p11tool = Tool("p11tool --provider $M --list-mechanisms 'pkcs11:token=hallmark'");
  const std::string pkcs11_tool = Tool("pkcs11-tool --module $M --token-label hallmark --list-mechanisms");
  const std::map<std::string, std::pair<std::string, std::string>> kNames = {
      {"CKM_EC_KEY_PAIR_GEN", {"CKM_ECDSA_KEY_PAIR_GEN", "ECDSA-KEY-PAIR-GEN"}},
      {"CKM_ECDSA", {"CKM_ECDSA", "ECDSA"}},
      {"CKM_RSA_PKCS_KEY_PAIR_GEN", {"CKM_RSA_PKCS_KEY_PAIR_GEN", "RSA-PKCS-KEY-PAIR-GEN"}},
      {"CKM_RSA_PKCS", {"CKM_RSA_PKCS", "RSA-PKCS"}},
      {"CKM_RSA_PKCS_PSS", {"CKM_RSA_PKCS_PSS", "RSA-PKCS-PSS"}}};
  size_t compared = 0;
  for (const json& slot : report_.hsm()["slots"]) {
    for (const json& mechanism : slot["mechanisms"]) {
      const auto& [first, second] = kNames.at(mechanism["name"]);
      const std::string least = std::to_string(mechanism["min_key_bits"].get<int>());
      const std::string most = std::to_string(mechanism["max_key_bits"].get<int>());
      const std::vector<std::string> here =
          Matches(p11tool, fmt::format("\\] {} keysize range \\({}, {}\\)([^\n]*)\n", first, least, most));
      const std::vector<std::string> there =
          Matches(pkcs11_tool, fmt::format("\n  {}, keySize=\\{{{},{}\\}},([^\n]*)\n", second, least, most));
      ASSERT_EQ(here.size(), 1u) << mechanism;
      ASSERT_EQ(there.size(), 1u) << mechanism;
      for (const std::string& flags : {here.front(), there.front()}) {
        EXPECT_EQ(flags.find(" sign") != flags.npos, mechanism["signs"] == true) << flags;
        EXPECT_EQ(flags.find("generate_key_pair") != flags.npos, mechanism["generates_key_pairs"] == true) << flags;
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, kNames.size());
}

TEST_F(AgreementTest, Pkcs11ToolSeesTheSameKeysWithTheSameAttributes) {
  const std::string listed = Tool("pkcs11 --list-objects --type privkey");
  EXPECT_EQ(Matches(listed, "(Private Key Object)").size(), report_.hsm()["keys"].size());
  for (const json& key : report_.hsm()["keys"]) {
    const std::vector<std::string> parts =
        Matches(listed, fmt::format("label: +{}\n  ID: +{}\n  (Usage: [^\n]*\n  Access: [^\n]*)",
                                    key["label"].get<std::string>(), key["id"].get<std::string>()));
    ASSERT_EQ(parts.size(), 1u) << key;
    const json& attributes = key["attributes"];
    const std::pair<const char*, const char*> kWords[] = {{"sign", "sign"},
                                                          {"decrypt", "decrypt"},
                                                          {"unwrap", "unwrap"},
                                                          {"derive", "derive"},
                                                          {" always sensitive", "always_sensitive"},
                                                          {"never extractable", "never_extractable"},
                                                          {"local", "local"}};
    for (const auto& [word, name] : kWords) {
      EXPECT_EQ(parts.front().find(word) != std::string::npos, attributes[name] == true) << name << parts.front();
    }
  }
  std::set<std::string> with_public_key;
  for (const std::string& id : Matches(Tool("pkcs11 --list-objects --type pubkey"), "ID: +([0-9a-f]+)\n")) {
    with_public_key.insert(id);
  }
  for (const json& key : report_.hsm()["keys"]) {
    EXPECT_EQ(with_public_key.contains(key["id"]), key["has_public_key"] == true) << key;
  }
}

TEST(AgreementOnVerdictsTest, Pkcs11ToolsTestAndDoctorAgree) {
  const struct {
    const char* command;
    bool healthy;
  } kCases[] = {{"true", true},
                {"rm -r $CA/token", false},
                {"rm $CA/softhsm2.conf", false},
                {"echo 000000 > $CA/secrets/pin", false},
                {"sed -i 's/token=hallmark/token=other/' $CA/hallmark.yaml", false}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.command);
    const Instance instance;
    instance.MustShell(c.command);
    const CommandResult test = instance.Shell(
        "pkcs11-tool --module $M --token-label $(sed -n 's/.*token=\\([a-z]*\\).*/\\1/p' $CA/hallmark.yaml) "
        "--login --pin $(cat $CA/secrets/pin) --test");
    EXPECT_EQ(test.exit_code == 0, c.healthy) << test.output;
    EXPECT_EQ(Doctor(instance, instance.Config()).exit_code == 0, c.healthy);
  }
}

}  // namespace
}  // namespace hallmark
