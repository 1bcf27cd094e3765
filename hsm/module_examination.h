// Why a PKCS#11 module does not load or shows no token: what it needs of the machine it runs on, which the module
// itself tells with CKR_GENERAL_ERROR at best.
#pragma once

#include <string>
#include <vector>

#include "base/examined.h"
#include "base/status.h"

namespace hallmark {

// What main found in the environment; empty when unset.
struct ModuleEnvironment {
  std::string softhsm2_conf;           // $SOFTHSM2_CONF
  std::string p11_kit_server_address;  // $P11_KIT_SERVER_ADDRESS
  std::string runtime_directory;       // $XDG_RUNTIME_DIR
  std::string home;                    // $HOME
};

// Explains why Module::Load(`module`) failed with `failure`: the file and its architecture, a library that is missing,
// p11-kit's configuration, or the module's own words.
Examined ExplainLoadFailure(const std::string& module, const Status& failure);

// Looks at what two modules need that are used everywhere: SoftHSM2 its configuration and token directory ("softhsm"),
// p11-kit's client its server's socket ("p11-kit server"). Nothing for any other module. Touches no module and changes
// nothing; a server sees one connection that ends at once.
std::vector<Examined> ExamineModuleEnvironment(const std::string& module, const ModuleEnvironment& environment);

}  // namespace hallmark
