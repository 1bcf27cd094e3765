// The section `publish` of hallmark.yaml.
#include "tools/publish_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/reason.h"
#include "publish/credential.h"
#include "tests/status_matchers.h"
#include "tools/config.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

StatusOr<PublishConfig> Read(const std::string& text) {
  PublishConfig config;
  RETURN_IF_ERROR(yaml::ParseMapping("hallmark.yaml", text, [&](yaml::Mapping& top) {
    top.Nested("publish", [&](yaml::Mapping& publish) { return ReadPublish(publish, "/etc/hallmark", config); });
    return top.Finish();
  }));
  return config;
}

TEST(PublishConfigTest, HasDefaults) {
  const auto config = Read("publish: {}");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->roots, "");
  EXPECT_EQ(config->azure.management, "https://management.azure.com");
  EXPECT_EQ(config->azure.login, "https://login.microsoftonline.com");
  EXPECT_EQ(config->azure.service, "https://{service}.azure-devices-provisioning.net");
  EXPECT_EQ(config->azure.hub, "https://{hub}");
  EXPECT_EQ(config->azure.managed_identity, "http://169.254.169.254");
  EXPECT_EQ(config->azure.scopes.at(Audience::kService), "https://azure-devices-provisioning.net/.default");
  EXPECT_TRUE(config->credentials.empty());
}

TEST(PublishConfigTest, IsReadWhole) {
  const auto config = Read(R"(
publish:
  roots: roots.pem
  azure:
    management: https://management.usgovcloudapi.net
    login: https://login.microsoftonline.us
    service: "https://{service}.azure-devices-provisioning.us"
    hub: "https://{hub}"
    managed_identity: http://127.0.0.1:40342
    scopes: {management: "https://management.usgovcloudapi.net/.default"}
  credentials:
    factory:
      management: {entra: {tenant: contoso, client_id: app, certificate: app.pem, key: /run/app.key}}
      service: {sas: {policy: provisioningserviceowner, key: keys/dps}}
      hub: {managed_identity: {client_id: identity}}
    on-token:
      management: {entra: {tenant: t, client_id: c, certificate: c.pem, key: "pkcs11:token=t;object=app"}}
      service: {managed_identity: {}}
      hub: {sas: {policy: p, key: "env:HUB_KEY"}}
    unit:
      service: {sas: {policy: p, key: "credential:dps"}}
)");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->roots, "/etc/hallmark/roots.pem");
  EXPECT_EQ(config->azure.managed_identity, "http://127.0.0.1:40342");
  EXPECT_EQ(config->azure.scopes.at(Audience::kManagement), "https://management.usgovcloudapi.net/.default");
  EXPECT_EQ(config->azure.scopes.at(Audience::kHub), "https://iothubs.azure.net/.default");
  ASSERT_EQ(config->credentials.size(), 3u);

  const CredentialConfig& factory = config->credentials.at("factory");
  const auto& entra = std::get<EntraConfig>(factory.at(Audience::kManagement));
  EXPECT_EQ(entra.tenant, "contoso");
  EXPECT_EQ(entra.client_id, "app");
  EXPECT_EQ(entra.certificate, "/etc/hallmark/app.pem");
  EXPECT_EQ(entra.key.ToString(), "/run/app.key");
  EXPECT_EQ(entra.key_uri, "");
  const auto& sas = std::get<SasConfig>(factory.at(Audience::kService));
  EXPECT_EQ(sas.policy, "provisioningserviceowner");
  EXPECT_EQ(sas.key.ToString(), "/etc/hallmark/keys/dps");
  EXPECT_EQ(std::get<ManagedIdentityConfig>(factory.at(Audience::kHub)).client_id, "identity");

  const CredentialConfig& on_token = config->credentials.at("on-token");
  EXPECT_EQ(std::get<EntraConfig>(on_token.at(Audience::kManagement)).key_uri, "pkcs11:token=t;object=app");
  EXPECT_EQ(std::get<ManagedIdentityConfig>(on_token.at(Audience::kService)).client_id, "");
  EXPECT_EQ(std::get<SasConfig>(on_token.at(Audience::kHub)).key.ToString(), "env:HUB_KEY");
  const CredentialConfig& unit = config->credentials.at("unit");
  EXPECT_EQ(unit.size(), 1u);
  EXPECT_EQ(std::get<SasConfig>(unit.at(Audience::kService)).key.ToString(), "credential:dps");
}

TEST(PublishConfigTest, RefusesWhatMakesNoSense) {
  const std::string sas = "{sas: {policy: p, key: k}}";
  const struct {
    std::string publish;
    const char* message;
  } cases[] = {
      {"{root: x}", "publish.root: unknown field"},
      {"{azure: {management: http://management.azure.com}}", "publish.azure.management: must begin with https://"},
      {"{azure: {login: https://x/}}", "publish.azure.login: must begin with https:// and end without a slash"},
      {"{azure: {service: \"\"}}", "publish.azure.service: must begin"},
      {"{azure: {hub: https://}}", "publish.azure.hub: must begin"},
      {"{azure: {service: https://azure-devices-provisioning.us}}",
       "publish.azure.service: must contain {service}, in whose place"},
      {"{azure: {service: \"https://{hub}.azure-devices-provisioning.us\"}}", "publish.azure.service: must contain"},
      {"{azure: {service: https://localhost.example}}", "publish.azure.service: must contain"},
      {"{azure: {service: https://localhost@contoso.example}}", "publish.azure.service: must contain"},
      {"{azure: {service: https://127.0.0.1.example}}", "publish.azure.service: must contain"},
      {"{azure: {hub: https://contoso.azure-devices.us}}", "publish.azure.hub: must contain {hub}, in whose place"},
      {"{azure: {hub: \"https://{service}.azure-devices.us\"}}", "publish.azure.hub: must contain"},
      {"{azure: {managed_identity: https://169.254.169.254}}", "must begin with http://"},
      {"{azure: {scopes: {portal: x}}}", "publish.azure.scopes.portal: unknown field"},
      {"{azure: {scopes: {hub: \"\"}}}", "publish.azure.scopes.hub: must not be empty"},
      {"{credentials: {Factory: {service: " + sas + "}}}", "is no name of a credential"},
      {"{credentials: {x: {}}}", "publish.credentials.x: give one of management, service and hub"},
      {"{credentials: {x: {portal: " + sas + "}}}", "unknown field"},
      {"{credentials: {x: {management: " + sas + "}}}", "Resource Manager takes no SAS key"},
      {"{credentials: {x: {management: {}}}}", "give one of entra and managed_identity"},
      {"{credentials: {x: {service: {}}}}", "give one of sas, entra and managed_identity"},
      {"{credentials: {x: {service: {sas: {policy: p, key: k}, managed_identity: {}}}}}", "give one of sas"},
      {"{credentials: {x: {service: {password: x}}}}", "publish.credentials.x.service.password: unknown field"},
      {"{credentials: {x: {service: {sas: {policy: p}}}}}", "publish.credentials.x.service.sas.key: is required"},
      {"{credentials: {x: {service: {sas: {key: k}}}}}", "publish.credentials.x.service.sas.policy: is required"},
      {"{credentials: {x: {service: {sas: {policy: \"\", key: k}}}}}", "policy: must not be empty"},
      {"{credentials: {x: {service: {sas: {policy: p, key: \"\"}}}}}", "key: "},
      {"{credentials: {x: {service: {sas: {policy: p, key: \"credential:../k\"}}}}}", "key: "},
      {"{credentials: {x: {hub: {entra: {tenant: t, client_id: c, certificate: f}}}}}", "entra.key: is required"},
      {"{credentials: {x: {hub: {entra: {tenant: t, client_id: c, key: f}}}}}", "entra.certificate: is required"},
      {"{credentials: {x: {hub: {entra: {tenant: \"\", client_id: c, certificate: f, key: f}}}}}", "tenant: must not"},
      {"{credentials: {x: {hub: {entra: {tenant: t, client_id: c, certificate: f, key: f, secret: s}}}}}",
       "entra.secret: unknown field"},
      {"{credentials: {x: {hub: {managed_identity: {id: c}}}}}", "managed_identity.id: unknown field"},
  };
  for (const auto& test : cases) {
    const auto config = Read("publish: " + test.publish);
    EXPECT_THAT(config, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << test.publish;
    EXPECT_THAT(Message(config.status()), HasSubstr(test.message)) << test.publish;
    EXPECT_THAT(Message(config.status()), HasSubstr("hallmark.yaml:1: "));
  }
}

TEST(PublishConfigTest, OnlyThisMachineAndAddressesNeedNoPlaceForAName) {
  for (const char* address : {"https://localhost", "https://localhost:8443/dps", "https://127.0.0.1:8443",
                              "https://[::1]", "https://[::1]:8443", "https://192.0.2.1"}) {
    const auto config = Read(fmt::format("publish: {{azure: {{service: \"{0}\", hub: \"{0}\"}}}}", address));
    ASSERT_THAT(config, IsOk()) << address;
    EXPECT_EQ(config->azure.service, address);
    EXPECT_EQ(config->azure.hub, address);
  }
  EXPECT_THAT(Read("publish: {azure: {service: \"https://proxy.example/{service}\"}}"), IsOk());
}

TEST(ConfiguredNameTest, IsShortAndPlain) {
  for (const char* name : {"a", "factory-1", "abcdefghijklmnopqrstuvwxyz01234"}) EXPECT_TRUE(IsConfiguredName(name));
  for (const char* name : {"", "-a", "1a", "A", "a_b", "abcdefghijklmnopqrstuvwxyz012345"}) {
    EXPECT_FALSE(IsConfiguredName(name)) << name;
  }
}

}  // namespace
}  // namespace hallmark
