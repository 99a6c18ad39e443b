#pragma once
// An accountant turns composed events into (epsilon, delta). Every answer is an upper bound on the
// truth: numerical error is added, never hidden. What an accountant cannot bound it refuses, by
// name.

#include <memory>
#include <span>
#include <string>

#include "starling/privacy/event.h"

namespace starling {

struct PrivacyBound {
  double epsilon = 0.0;  // >= 0; infinity where nothing is promised
  double delta = 0.0;
  double error = 0.0;  // how far above the exact value of the composition `epsilon` may lie, where
                       // the accountant certifies that; infinity where it does not (rdp)
  std::string detail;  // "order 8.2", "contour integral, remove direction", ...
};

class Accountant {
 public:
  virtual ~Accountant() = default;
  virtual std::string name() const = 0;
  // delta in [0, 1]. Errors: InputError naming the event that this accountant cannot take.
  virtual PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                               double delta) const = 0;
  virtual PrivacyBound delta(std::span<const Event> events, Relation relation,
                             double epsilon) const = 0;
};

// "exact", "rdp", "zcdp". Errors: InputError with the known names.
std::unique_ptr<Accountant> make_accountant(const std::string& name);

}  // namespace starling
