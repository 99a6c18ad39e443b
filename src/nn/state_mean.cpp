#include <cmath>
#include <sstream>

#include "starling/core/error.h"
#include "starling/nn/state.h"

namespace starling {
namespace {

std::string text_of(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void check_weight(double weight, const std::string& place) {
  if (!(weight >= 0.0) || !std::isfinite(weight))
    throw Error(place + ": the weight " + text_of(weight) +
                " is outside the finite numbers from 0");
}

void check_total(double total) {
  if (!(total > 0.0) || !std::isfinite(total))
    throw Error("the total weight of the models is " + text_of(total) +
                "; a mean needs a positive, finite total");
}

std::string place_of(size_t model) { return "model " + std::to_string(model); }

}  // namespace

StateMean::StateMean(const StateDict& layout) : layout_(clone(layout)) {
  for (const auto& tensor : layout_.tensors)
    sums_.push_back(tensor.value.is_floating_point()
                        ? torch::zeros_like(tensor.value, torch::kDouble)
                        : tensor.value);
}

void StateMean::add(const StateDict& state, double weight, const std::string& place) {
  check_weight(weight, place);
  check_same_layout(layout_, state, place);
  const auto spoiled = first_non_finite(state);
  if (!spoiled.empty())
    throw Error(place + ": tensor \"" + spoiled + "\" holds a NaN or an infinity");

  for (size_t i = 0; i < sums_.size(); ++i) {
    const auto value = state.tensors[i].value.detach().to(torch::kCPU);
    if (value.is_floating_point())
      sums_[i].add_(value, weight);
    else if (count_ == 0)
      sums_[i] = value.clone();
  }
  total_weight_ += weight;
  ++count_;
}

StateDict StateMean::mean() const {
  check_total(total_weight_);
  StateDict result;
  for (size_t i = 0; i < sums_.size(); ++i) {
    const auto& [name, value, buffer] = layout_.tensors[i];
    auto mean = value.is_floating_point() ? sums_[i].div(total_weight_).to(value.scalar_type())
                                          : sums_[i].clone();
    result.tensors.push_back({name, std::move(mean), buffer});
  }
  const auto spoiled = first_non_finite(result);
  if (!spoiled.empty()) throw Error("the mean of tensor \"" + spoiled + "\" overflows its dtype");
  return result;
}

StateDict weighted_mean(std::span<const StateDict> states, std::span<const double> weights) {
  if (states.size() != weights.size())
    throw Error(std::to_string(states.size()) + " models and " + std::to_string(weights.size()) +
                " weights: a mean needs one weight a model");
  if (states.empty()) throw Error("a mean needs at least one model");
  double total = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) {
    check_weight(weights[i], place_of(i));
    total += weights[i];
  }
  check_total(total);
  StateMean mean(states.front());
  for (size_t i = 0; i < states.size(); ++i) mean.add(states[i], weights[i], place_of(i));
  return mean.mean();
}

}  // namespace starling
