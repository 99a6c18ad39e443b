#include "starling/privacy/accountant.h"

#include "privacy/accountants.h"
#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/privacy/rdp.h"

namespace starling {
namespace {

const std::vector<std::string> kNames{"exact", "rdp", "zcdp"};

}  // namespace

std::unique_ptr<Accountant> make_accountant(const std::string& name) {
  if (name == "exact") return make_exact_accountant();
  if (name == "rdp") return make_rdp_accountant(default_rdp_orders());
  if (name == "zcdp") return make_zcdp_accountant();
  throw InputError("accountant",
                   "\"" + name + "\" is none of exact, rdp, zcdp" + did_you_mean(name, kNames));
}

}  // namespace starling
