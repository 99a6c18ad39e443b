#include "starling/nn/state.h"

#include <torch/nn/module.h>

#include <array>
#include <cmath>
#include <sstream>

#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling {
namespace {

constexpr size_t kLanes = 8;

std::string layout_text(const torch::Tensor& value) {
  std::ostringstream text;
  text << value.scalar_type() << " " << value.sizes();
  return text.str();
}

std::string quoted(const std::string& name) { return "tensor \"" + name + "\""; }

void check_same_tensor(const torch::Tensor& expected, const torch::Tensor& value,
                       const std::string& place) {
  if (!value.defined()) throw Error(place + " is undefined");
  if (value.sizes() != expected.sizes() || value.scalar_type() != expected.scalar_type())
    throw Error(place + " is " + layout_text(value) + "; " + layout_text(expected) +
                " is expected");
}

// Eight partial sums in a fixed pattern: fast, and independent of the number of threads.
double sum_of_squares(const torch::Tensor& value) {
  const auto values = value.to(torch::kCPU, torch::kDouble).contiguous();
  const double* data = values.const_data_ptr<double>();
  const auto size = static_cast<size_t>(values.numel());
  std::array<double, kLanes> lanes{};
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += data[i + lane] * data[i + lane];
  for (size_t lane = 0; i < size; ++i, ++lane) lanes[lane] += data[i] * data[i];
  double total = 0.0;
  for (const double lane : lanes) total += lane;
  return total;
}

std::vector<NamedTensor> live_tensors(const torch::nn::Module& module) {
  std::vector<NamedTensor> tensors;
  for (const auto& item : module.named_parameters())
    tensors.push_back({item.key(), item.value().detach(), false});
  for (const auto& item : module.named_buffers())
    tensors.push_back({item.key(), item.value().detach(), true});
  return tensors;
}

const NamedTensor* find(const StateDict& state, const std::string& name) {
  for (const auto& tensor : state.tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

StateDict combined(const StateDict& a, const StateDict& b, double scale) {
  check_same_layout(a, b, "the second state");
  StateDict result;
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    const auto& [name, value, buffer] = a.tensors[i];
    torch::Tensor sum = value.detach().clone();
    if (value.is_floating_point())
      sum = value.detach()
                .to(torch::kDouble)
                .add(b.tensors[i].value.detach().to(torch::kDouble), scale)
                .to(value.scalar_type());
    result.tensors.push_back({name, std::move(sum), buffer});
  }
  return result;
}

}  // namespace

const torch::Tensor& StateDict::at(const std::string& name) const {
  if (const auto* tensor = find(*this, name)) return tensor->value;
  throw Error("the state has no " + quoted(name) + did_you_mean(name, names()));
}

bool StateDict::contains(const std::string& name) const { return find(*this, name) != nullptr; }

std::vector<std::string> StateDict::names() const {
  std::vector<std::string> names;
  for (const auto& tensor : tensors) names.push_back(tensor.name);
  return names;
}

int64_t StateDict::elements() const {
  int64_t count = 0;
  for (const auto& tensor : tensors) count += tensor.value.numel();
  return count;
}

StateDict state_of(const torch::nn::Module& module) {
  return clone(StateDict{live_tensors(module)});
}

StateDict view_of(const torch::nn::Module& module) { return {live_tensors(module)}; }

StateDict clone(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, value, buffer] : state.tensors)
    copy.tensors.push_back(
        {name, value.detach().to(torch::kCPU).clone(torch::MemoryFormat::Contiguous), buffer});
  return copy;
}

void load_state(torch::nn::Module& module, const StateDict& state) {
  StateDict own{live_tensors(module)};
  for (const auto& tensor : state.tensors)
    if (!own.contains(tensor.name))
      throw Error("the model has no " + quoted(tensor.name) +
                  did_you_mean(tensor.name, own.names()));
  if (state.tensors.size() > own.tensors.size()) throw Error("the state holds a name twice");
  for (const auto& [name, value, buffer] : own.tensors) {
    if (!state.contains(name)) throw Error("the state has no " + quoted(name));
    check_same_tensor(value, state.at(name), quoted(name));
  }
  const torch::NoGradGuard no_grad;
  for (auto& tensor : own.tensors) tensor.value.copy_(state.at(tensor.name));
}

void check_same_layout(const StateDict& reference, const StateDict& state,
                       const std::string& place) {
  if (state.tensors.size() != reference.tensors.size())
    throw Error(place + ": has " + std::to_string(state.tensors.size()) + " tensors; " +
                std::to_string(reference.tensors.size()) + " are expected");
  for (size_t i = 0; i < reference.tensors.size(); ++i) {
    const auto& expected = reference.tensors[i];
    const auto& found = state.tensors[i];
    if (found.name != expected.name)
      throw Error(place + ": " + quoted(found.name) + " stands where " + quoted(expected.name) +
                  " is expected");
    check_same_tensor(expected.value, found.value, place + ": " + quoted(found.name));
  }
}

std::string first_non_finite(const StateDict& state) {
  for (const auto& tensor : state.tensors)
    if (tensor.value.is_floating_point() &&
        !torch::isfinite(tensor.value.detach()).all().item<bool>())
      return tensor.name;
  return "";
}

bool all_finite(const StateDict& state) { return first_non_finite(state).empty(); }

StateDict subtract(const StateDict& a, const StateDict& b) { return combined(a, b, -1.0); }

StateDict add_scaled(const StateDict& a, const StateDict& b, double scale) {
  return combined(a, b, scale);
}

double l2_norm(const StateDict& state) {
  double total = 0.0;
  for (const auto& tensor : state.tensors)
    if (tensor.value.is_floating_point()) total += sum_of_squares(tensor.value.detach());
  return std::sqrt(total);
}

}  // namespace starling
