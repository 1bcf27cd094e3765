// hallmark doctor --hsm: the HSM of a configuration, or any module and token before there is one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hsm/examination.h"

namespace hallmark::cli {

struct HsmDoctorOptions {
  std::string config;  // unless `module` is given
  std::string module;
  std::string token;  // with `module`; empty: list what there is
  bool sign = true;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

struct HsmDiagnosis {
  std::vector<Examined> findings;  // of configuration, journal and database
  std::vector<ExaminedHsm> hsms;
};

// With a configuration, the keys of its authorities are compared with their certificates and test-signed; opening the
// database brings its schema up to date, as the service would. While a service has it open, the keys on the token are
// examined without it.
HsmDiagnosis DiagnoseHsm(const HsmDoctorOptions& options, const Clock& clock);

}  // namespace hallmark::cli
