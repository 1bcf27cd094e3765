// A Service that publishes to the stand-in of DPS.
#pragma once

#include "tests/dps_stand_in.h"
#include "tests/service_client.h"

namespace hallmark::testing {

class PublishingService {
 public:
  explicit PublishingService(std::unique_ptr<Service> service = Service::Stopped()) : service_(std::move(service)) {
    setenv("https_proxy", cloud.proxy().c_str(), 1);
    setenv("no_proxy", "localhost,127.0.0.1", 1);
    std::ofstream(service_->ca() / "hallmark.yaml", std::ios::app)
        << cloud.Configuration() << "  directory: published\n";
    service_->Start();
  }
  Service& service() { return *service_; }

  // A target "contoso" with one group, in a file.
  std::string Description(const std::string& more = "", const std::string& authority = "devices") const {
    const std::string file = (service_->directory() / "contoso.yaml").string();
    std::ofstream(file) << fmt::format(
        "target: contoso\nkind: dps\nservice: {}\nid_scope: {}\nsubscription: 00000000-0000-0000-0000-000000000000\n"
        "resource_group: hallmark\ncredential: test\ngroups:\n  - {{group: line-devices, authority: {}, allocation: "
        "hashed, hubs: [{}]}}\n{}",
        DpsStandIn::kService, DpsStandIn::kIdScope, authority, DpsStandIn::kHub1, more);
    return file;
  }
  CommandResult Hallmark(const std::string& arguments) { return service_->Hallmark("operator", arguments); }
  nlohmann::json Json(const std::string& arguments) {
    const CommandResult result = Hallmark(arguments + " --output json");
    nlohmann::json json = nlohmann::json::parse(result.output, nullptr, false);
    if (json.is_discarded()) throw std::runtime_error(arguments + ": " + result.output);
    return json;
  }
  // Waits until nothing waits for the target; false: something is parked, or it takes longer.
  bool Converges(Duration limit = absl::Minutes(2)) {
    for (const Time end = absl::Now() + limit; absl::Now() < end; absl::SleepFor(absl::Milliseconds(300))) {
      const nlohmann::json target = Json("publish status contoso");
      const auto count = [&target](const char* what) {
        return target.contains(what) && target[what].contains("count") ? target[what]["count"].get<std::string>() : "0";
      };
      if (count("parked") != "0") return false;
      if (count("waiting") == "0" && target.value("chain", "") == "PUBLISHED") return true;
    }
    return false;
  }

  DpsStandIn cloud;

 private:
  std::unique_ptr<Service> service_;
};

}  // namespace hallmark::testing
