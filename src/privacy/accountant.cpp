#include "starling/privacy/accountant.h"

#include <functional>

#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/privacy/rdp.h"

namespace starling {
namespace {

const std::vector<std::string> kNames{"exact", "rdp", "zcdp"};

}  // namespace

std::unique_ptr<Accountant> make_accountant(const std::string& name) {
  if (name == "rdp") return make_rdp_accountant(default_rdp_orders());
  throw InputError("accountant",
                   "\"" + name + "\" is none of exact, rdp, zcdp" + did_you_mean(name, kNames));
}

}  // namespace starling
