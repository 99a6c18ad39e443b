#pragma once
// Which optimizer a client trains with, as plain values free of LibTorch; `make_optimizer` of
// optimizer.h builds it.

#include <utility>
#include <variant>

namespace starling {

// Defaults and meaning are LibTorch's, with its `lr` called learning_rate; SGD, which has no
// default rate there, starts at 0.1.
struct SgdSpec {
  double learning_rate = 0.1;
  double momentum = 0.0;
  double dampening = 0.0;
  double weight_decay = 0.0;
  bool nesterov = false;  // needs momentum > 0 and dampening == 0
  bool operator==(const SgdSpec&) const = default;
};
struct AdamSpec {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;
  bool amsgrad = false;
  bool operator==(const AdamSpec&) const = default;
};
struct AdamWSpec {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;
  bool operator==(const AdamWSpec&) const = default;
};
struct RmspropSpec {
  double learning_rate = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double momentum = 0.0;
  bool centered = false;
  bool operator==(const RmspropSpec&) const = default;
};
struct AdagradSpec {
  double learning_rate = 1e-2;
  double lr_decay = 0.0;
  double weight_decay = 0.0;
  double initial_accumulator_value = 0.0;
  double eps = 1e-10;
  bool operator==(const AdagradSpec&) const = default;
};
// DP-AdamBC (Tang, Shpilevskiy and Lecuyer 2023, arXiv 2312.14334, algorithm 1): Adam whose second
// moment is inflated by the noise of private gradients, of which it subtracts the variance:
//   step = learning_rate m / sqrt(max(v - noise_deviation^2, floor)), m and v corrected for their
// start at zero. It is post-processing of noised gradients.
struct AdamBcSpec {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double floor = 1e-6;
  bool operator==(const AdamBcSpec&) const = default;
};
using OptimizerSpec =
    std::variant<SgdSpec, AdamSpec, AdamWSpec, RmspropSpec, AdagradSpec, AdamBcSpec>;

}  // namespace starling
