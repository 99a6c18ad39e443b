#pragma once
// A model's state: its parameters and buffers as named tensors, in the order of the module tree,
// and the arithmetic that federated averaging needs. Floating tensors are averaged, added and
// measured; integer tensors (counters of batches) carry no gradient information and are left alone:
// a result takes them from its first operand.
//
// All results are computed in double and are the same on any number of threads.

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torch::nn {
class Module;
}

namespace starling {

struct NamedTensor {
  std::string name;  // "0.weight", as torch::nn names it
  torch::Tensor value;
  bool buffer = false;  // not trained: running statistics, counters
};

struct StateDict {
  std::vector<NamedTensor> tensors;

  // Errors: Error with the nearest name.
  const torch::Tensor& at(const std::string& name) const;
  bool contains(const std::string& name) const;
  std::vector<std::string> names() const;
  int64_t elements() const;  // of all tensors together
};

// Parameters, then buffers, each in the module's order; copies without gradient, contiguous, on
// CPU.
StateDict state_of(const torch::nn::Module& module);
StateDict clone(const StateDict& state);
// The module's tensors themselves: what is written to one is written to the other.
StateDict view_of(const torch::nn::Module& module);

// Copies every tensor into the module. Strict: the names are the module's own, in any order, with
// its shapes and dtypes; otherwise nothing is written. Errors: Error naming the tensor.
void load_state(torch::nn::Module& module, const StateDict& state);

// Throws Error unless `state` has the reference's names in its order, shapes and dtypes. `place`
// opens the message, e.g. "model 3".
void check_same_layout(const StateDict& reference, const StateDict& state,
                       const std::string& place);
// The name of the first tensor with a NaN or an infinity, or "".
std::string first_non_finite(const StateDict& state);
bool all_finite(const StateDict& state);

// sum_i weights[i] * states[i] / sum_i weights[i] (McMahan et al. 2017, with weights n_i). Errors:
// Error for no models, different numbers of models and weights, a negative or non-finite weight, a
// total weight that is not positive and finite, a layout that differs from the first model's,
// non-finite values; each names the model by its position, and the tensor.
StateDict weighted_mean(std::span<const StateDict> states, std::span<const double> weights);

// The same one model at a time, so that memory does not grow with their number. `add` checks
// everything before it sums anything: a refused model leaves no trace.
class StateMean {
 public:
  // `layout`: names, shapes and dtypes that every model must have; its values are not averaged.
  explicit StateMean(const StateDict& layout);

  void add(const StateDict& state, double weight, const std::string& place = "the model");
  double total_weight() const { return total_weight_; }
  int64_t count() const { return count_; }
  // Errors: Error where the total weight is 0. Integer tensors are the first added model's.
  StateDict mean() const;

 private:
  StateDict layout_;
  std::vector<torch::Tensor> sums_;  // double; the tensor itself where it is not floating
  double total_weight_ = 0.0;
  int64_t count_ = 0;
};

// a - b and a + scale * b on floating tensors, rounded once to the tensor's dtype.
StateDict subtract(const StateDict& a, const StateDict& b);
StateDict add_scaled(const StateDict& a, const StateDict& b, double scale);
// The L2 norm over all floating tensors as one vector, summed in double in a fixed order.
double l2_norm(const StateDict& state);

// Safetensors files. The same state gives the same bytes. `source` names the bytes in errors.
// Errors: InputError for a malformed file, Error for a dtype the format does not know.
std::string to_safetensors(const StateDict& state);
StateDict from_safetensors(std::string_view bytes, const std::string& source);
void save_state(const StateDict& state, const std::string& path);  // atomic
StateDict load_state_file(const std::string& path);

// Copies the file's tensors into the module, by name and strictly: the start of fine-tuning
// (`model.initial`). Errors: InputError naming file and tensor, with the nearest name.
void load_initial(torch::nn::Module& module, const std::string& path);

}  // namespace starling
