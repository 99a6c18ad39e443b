#pragma once
// The accountants behind make_accountant(); make_rdp_accountant is public.

#include <memory>

#include "starling/privacy/accountant.h"

namespace starling {

std::unique_ptr<Accountant> make_exact_accountant();
std::unique_ptr<Accountant> make_zcdp_accountant();

}  // namespace starling
