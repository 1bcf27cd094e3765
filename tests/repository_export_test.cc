// hallmark repository export, of a real service, judged by OpenSSL: what is exported is what HTTP serves, each file is
// replaced whole and by nothing older, and a revocation shows up while it watches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <set>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/eventually.h"
#include "tests/service.h"

namespace hallmark {
namespace {

using testing::CommandResult;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::Succeed;

class RepositoryExportTest : public ::testing::Test {
 protected:
  RepositoryExportTest() {
    service_ = Service::Stopped();
    Succeed("sed -i 's/^crl:$/crl:\\n  delta_lifetime: 1h\\n  shards: {devices: 2}/' " +
            (service_->ca() / "hallmark.yaml").string());
    service_->Start();
  }

  std::string At() const { return service_->directory().path().string(); }
  std::string Tree() const { return At() + "/tree"; }
  std::string Export(const std::string& options = "") const {
    return fmt::format("{}/hallmark --context {}/contexts/auditor.yaml repository export {} {}", testing::kPrograms,
                       service_->ca().string(), Tree(), options);
  }
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Tree())) {
      if (entry.is_regular_file()) files.insert(std::filesystem::relative(entry.path(), Tree()));
    }
    return files;
  }
  std::string Issue(const std::string& name) {
    service_->MakeCsrs(At(), name, 1);
    const CommandResult issued =
        service_->Hallmark("station", fmt::format("certificate issue --out {0} {0}/{1}-1.csr", At(), name));
    EXPECT_EQ(issued.exit_code, 0) << issued.output;
    return fmt::format("{}/{}-1.pem", At(), name);
  }
  void Revoke(const std::string& certificate) {
    const CommandResult revoked =
        service_->Hallmark("operator", "certificate revoke --reason keyCompromise --yes --no-wait " + certificate);
    EXPECT_EQ(revoked.exit_code, 0) << revoked.output;
  }
  // OpenSSL's verdict on a certificate by the exported files alone.
  std::string Verify(const std::string& certificate) const {
    return RunCommand(fmt::format(
                          "cd {0} && for f in $(find . -name '*.crl' ! -name '*-delta*'); do openssl crl -inform DER "
                          "-in $f; done > {1}/crls.pem && openssl x509 -inform DER -in aia/devices.cer > "
                          "{1}/devices.pem && openssl x509 -inform DER -in aia/root.cer > {1}/root.pem && "
                          "openssl verify -crl_check_all -extended_crl -CAfile {1}/root.pem -untrusted {1}/devices.pem "
                          "-CRLfile {1}/crls.pem {2}",
                          Tree(), At(), certificate))
        .output;
  }
  static std::string Octets(const std::string& path) { return ReadFile(path).value_or(""); }

  std::unique_ptr<Service> service_;
};

TEST_F(RepositoryExportTest, WritesWhatHttpServes) {
  const std::string device = Issue("device");
  const CommandResult written = Succeed(Export());
  EXPECT_THAT(written.output, HasSubstr("crl/devices.crl  CRL "));
  const std::set<std::string> files = Files();
  for (const char* expected : {"aia/devices.cer", "aia/root.cer", "aia/access.cer", "crl/devices.crl", "crl/root.crl",
                               "crl/devices/1.crl", "crl/devices/0-delta.crl", "crl/devices/1-delta.crl"}) {
    EXPECT_TRUE(files.contains(expected)) << expected << "\n" << written.output;
  }
  for (const std::string& file : files) {
    if (file.starts_with(".")) continue;
    const std::string url = service_->base_url() + "/" + file;
    Succeed(fmt::format("curl -sf -o {0}/served {1} && cmp {0}/served {2}/{3}", At(), url, Tree(), file));
    if (!file.ends_with(".crl")) continue;
    struct stat ours = {};
    ASSERT_EQ(stat((Tree() + "/" + file).c_str(), &ours), 0);
    const std::string shown =
        RunCommand(fmt::format("openssl crl -inform DER -in {}/{} -noout -lastupdate", Tree(), file)).output;
    Time update;
    std::string error;
    ASSERT_TRUE(absl::ParseTime("lastUpdate=%b %e %H:%M:%S %Y GMT", shown.substr(0, shown.find('\n')), &update, &error))
        << shown;
    EXPECT_EQ(ours.st_mtim.tv_sec, absl::ToUnixSeconds(update)) << file;
    // "crl/NAME.crl" or "crl/NAME/SHARD-delta.crl".
    const std::string behind = file.substr(sizeof "crl/" - 1);
    const std::string issuer = behind.substr(0, behind.find_first_of("/."));
    EXPECT_THAT(Succeed(fmt::format("openssl x509 -inform DER -in {0}/aia/{1}.cer > {2}/issuer.pem && openssl crl "
                                    "-inform DER -in {0}/{3} -noout -CAfile {2}/issuer.pem",
                                    Tree(), issuer, At(), file))
                    .output,
                HasSubstr("verify OK"))
        << file;
  }
  EXPECT_THAT(Verify(device), HasSubstr("device-1.pem: OK"));
  EXPECT_THAT(Succeed(Export()).output, Not(HasSubstr("CRL ")));  // nothing is news
  EXPECT_THAT(Succeed(Export("--output json")).output, HasSubstr("\"changes\": []"));
}

TEST_F(RepositoryExportTest, RemovesItsOwnFilesAndNoOthers) {
  Succeed(Export());
  Succeed(fmt::format("cp {0}/crl/root.crl {0}/crl/foreign.crl && echo hello > {0}/index.html", Tree()));
  // As if an authority had been served once.
  Succeed(fmt::format(
      "cp {0}/crl/root.crl {0}/crl/gone.crl && sed -i 's#\"crl/root.crl\"#\"crl/gone.crl\",\"crl/root.crl\"#' "
      "{0}/.hallmark-export.json",
      Tree()));
  EXPECT_THAT(Succeed(Export()).output, HasSubstr("crl/gone.crl  removed"));
  const std::set<std::string> files = Files();
  EXPECT_FALSE(files.contains("crl/gone.crl"));
  EXPECT_TRUE(files.contains("crl/foreign.crl") && files.contains("index.html"));
  // What it keeps cannot lead it out of the directory.
  Succeed(
      fmt::format("touch {0}/outside && sed -i 's#\"crl/root.crl\"#\"../outside\",\"crl/root.crl\"#' "
                  "{1}/.hallmark-export.json",
                  At(), Tree()));
  EXPECT_NE(RunCommand(Export()).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(At() + "/outside"));
}

TEST_F(RepositoryExportTest, ReplacesNothingByAnothersList) {
  Succeed(Export());
  const std::string list = Tree() + "/crl/root.crl";
  const std::string own = Octets(list);
  Succeed(fmt::format("cp {0}/crl/access.crl {0}/crl/root.crl", Tree()));
  const CommandResult refused = RunCommand(Export());
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.output, HasSubstr("another issuer's list"));
  EXPECT_EQ(Octets(list), Octets(Tree() + "/crl/access.crl"));
  std::filesystem::remove(list);
  Succeed(Export());
  EXPECT_EQ(Octets(list), own);
}

// A root in a safe, here one that openssl makes: its list is imported, served, exported, and ends our authority.
TEST_F(RepositoryExportTest, TheListOfARootElsewhereIsServedAndExported) {
  const auto operate = [&](const std::string& arguments) {
    const CommandResult result = service_->Hallmark("operator", arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.output;
    return result.output;
  };
  operate("authority create plant-c --external --subject 'O=Example, CN=Plant C' --issues device-dps");
  operate("authority csr plant-c --out " + At() + "/plant-c.csr");
  WriteFile(At() + "/run", AsBytes("set -e; cd " + At() + R"(
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout safe.key -subj /O=Safe/CN=Root -days 3650 \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out safe.pem
cat > ext <<X
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
crlDistributionPoints=URI:http://pki.example/crl/safe-root.crl
authorityInfoAccess=caIssuers;URI:http://pki.example/aia/safe-root.cer
X
openssl x509 -req -in plant-c.csr -CA safe.pem -CAkey safe.key -set_serial 0x4a01 -days 365 -extfile ext -out plant-c.pem
cat plant-c.pem safe.pem > plant-c-chain.pem
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n' > ca.cnf
touch index.txt; echo 01 > crlnumber
openssl ca -config ca.cnf -gencrl -keyfile safe.key -cert safe.pem -crldays 90 -out first.crl
printf 'R\t391231235959Z\t260101000000Z,cACompromise\t4A01\tunknown\t/CN=a\n' > index.txt
openssl ca -config ca.cnf -gencrl -keyfile safe.key -cert safe.pem -crldays 90 -out second.crl
)"))
      .IgnoreError();
  Succeed("bash " + At() + "/run");
  operate(fmt::format("authority activate plant-c {}/plant-c-chain.pem", At()));
  EXPECT_THAT(operate(fmt::format("crl import {}/first.crl", At())), HasSubstr("/crl/safe-root.crl"));
  Succeed(Export());
  const auto judge = fmt::format("openssl crl -inform DER -noout -text -CAfile {}/safe.pem -in ", At());
  EXPECT_THAT(Succeed(judge + Tree() + "/crl/safe-root.crl").output,
              ::testing::AllOf(HasSubstr("verify OK"), HasSubstr("No Revoked Certificates")));
  Succeed(fmt::format("curl -sf {0}/aia/safe-root.cer | cmp - {1}/aia/safe-root.cer", service_->base_url(), Tree()));
  EXPECT_THAT(operate(fmt::format("crl import {}/second.crl", At())), HasSubstr("plant-c"));
  EXPECT_THAT(operate("authority show plant-c"), HasSubstr("REVOKED"));
  EXPECT_EQ(service_->Hallmark("operator", fmt::format("crl import {}/first.crl", At())).exit_code, 3);
  ASSERT_TRUE(Eventually([&] {
    return RunCommand(fmt::format("curl -sf {}/crl/safe-root.crl | openssl crl -inform DER -noout -text",
                                  service_->base_url()))
               .output.find("CA Compromise") != std::string::npos;
  }));
  Succeed(Export());
  EXPECT_THAT(Succeed(judge + Tree() + "/crl/safe-root.crl").output, HasSubstr("CA Compromise"));
}

TEST_F(RepositoryExportTest, ReplacesNothingByWhatIsOlder) {
  const std::string device = Issue("device");
  EXPECT_EQ(service_->Stop(), 0);
  const std::string backup = At() + "/backup";
  Succeed(fmt::format("mkdir {0} && cp {1}/hallmark.db* {0}", backup, service_->ca().string()));
  service_->Start();
  Revoke(device);
  ASSERT_TRUE(Eventually([&] {
    Succeed(Export());
    return Verify(device).find("certificate revoked") != std::string::npos;
  }));
  // The service comes back with a database in which nothing is revoked.
  EXPECT_EQ(service_->Stop(), 0);
  Succeed(fmt::format("rm {1}/hallmark.db* && cp {0}/* {1}", backup, service_->ca().string()));
  service_->Start();
  const CommandResult refused = RunCommand(Export());
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.output, HasSubstr("its CRLNumber is "));
  EXPECT_THAT(Verify(device), HasSubstr("certificate revoked"));
}

// The command while it watches; its own process.
class Watching {
 public:
  Watching(const std::string& command, const std::string& at) : out_(at + "/watch.out"), err_(at + "/watch.err") {
    std::string words[] = {"sh", "-c", "exec " + command};
    char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int error = posix_spawn(&process_, "/bin/sh", &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start " + command);
  }
  ~Watching() {
    if (process_ > 0) kill(process_, SIGKILL), waitpid(process_, nullptr, 0);
  }
  Watching(const Watching&) = delete;  // it owns a process
  Watching& operator=(const Watching&) = delete;

  std::string out() const { return ReadFile(out_).value_or(""); }
  std::string err() const { return ReadFile(err_).value_or(""); }
  int Stop() {
    kill(process_, SIGTERM);
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  const std::string out_;
  const std::string err_;
  pid_t process_ = 0;
};

// Whether the octets are one element of DER with a long length, and nothing else.
bool IsWhole(const std::string& octets) {
  if (octets.size() < 4 || octets[0] != '\x30') return false;
  const auto at = [&octets](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(octets[i])); };
  if (at(1) == 0x81) return octets.size() == 3 + at(2);
  return at(1) == 0x82 && octets.size() == 4 + (at(2) << 8 | at(3));
}

TEST_F(RepositoryExportTest, ShowsRevocationsWhileItWatchesAndNeverATornFile) {
  std::vector<std::string> devices;
  for (int i = 0; i < 6; ++i) devices.push_back(Issue("device" + std::to_string(i)));
  Watching watching(Export("--watch --interval 100ms --output json"), At());
  ASSERT_TRUE(Eventually([&] { return !Octets(Tree() + "/crl/devices/1-delta.crl").empty(); })) << watching.err();
  std::atomic<bool> stopping = false;
  std::atomic<int> read = 0;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    while (!stopping) {
      for (const char* list : {"/crl/devices.crl", "/crl/devices/1.crl"}) {
        ++read;
        if (!IsWhole(Octets(Tree() + list))) ++torn;
      }
    }
  });
  for (const std::string& device : devices) {
    EXPECT_THAT(Verify(device), HasSubstr(": OK"));
    Revoke(device);
    EXPECT_TRUE(Eventually([&] { return Verify(device).find("certificate revoked") != std::string::npos; })) << device;
  }
  stopping = true;
  reader.join();
  EXPECT_GT(read, 100);
  EXPECT_EQ(torn, 0);
  EXPECT_THAT(watching.out(), HasSubstr("\"path\":\"crl/devices.crl\""));
  EXPECT_EQ(watching.Stop(), 0) << watching.err();
}

TEST_F(RepositoryExportTest, OutlivesAnOutageOfTheService) {
  const std::string device = Issue("device");
  Watching watching(Export("--watch --interval 100ms"), At());
  // The list of its shard is there, too.
  ASSERT_TRUE(Eventually([&] { return Verify(device).find(": OK") != std::string::npos; })) << watching.err();
  EXPECT_EQ(service_->Stop(), 0);
  ASSERT_TRUE(Eventually([&] { return !watching.err().empty(); }));
  EXPECT_THAT(watching.err(), HasSubstr("cannot reach the service"));
  EXPECT_THAT(Verify(device), HasSubstr(": OK"));  // what was there stays
  service_->Start();
  Revoke(device);
  EXPECT_TRUE(Eventually([&] { return Verify(device).find("certificate revoked") != std::string::npos; }))
      << watching.err();
  EXPECT_THAT(watching.err(), HasSubstr("it goes on"));
  EXPECT_EQ(watching.Stop(), 0) << watching.err();
}

}  // namespace
}  // namespace hallmark
