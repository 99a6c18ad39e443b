#include "starling/nn/flat_state.h"

#include <algorithm>

#include "starling/core/error.h"

namespace starling {
namespace {

// Calls work(pointer) with the tensor's contiguous values on the CPU.
template <class Work>
void with_values(const torch::Tensor& tensor, Work work) {
  const auto values = tensor.detach().to(torch::kCPU).contiguous();
  if (values.scalar_type() == torch::kFloat) {
    work(values.const_data_ptr<float>());
  } else {
    work(values.const_data_ptr<double>());
  }
}

}  // namespace

FlatLayout::FlatLayout(const StateDict& state) {
  for (size_t i = 0; i < state.tensors.size(); ++i) {
    const auto& [name, value, buffer] = state.tensors[i];
    if (!value.is_floating_point()) continue;
    if (value.scalar_type() != torch::kFloat && value.scalar_type() != torch::kDouble)
      throw Error("tensor \"" + name + "\" is " + torch::toString(value.scalar_type()) +
                  "; sums are kept for float32 and float64 models");
    parts_.push_back({name, size_, value.numel(), buffer});
    tensors_.push_back(i);
    size_ += value.numel();
  }
}

void FlatLayout::read(const StateDict& state, std::span<double> values) const {
  for (size_t p = 0; p < parts_.size(); ++p)
    with_values(state.tensors[tensors_[p]].value, [&](const auto* from) {
      std::copy_n(from, parts_[p].size, values.begin() + parts_[p].first);
    });
}

void FlatLayout::read_difference(const StateDict& a, const StateDict& b,
                                 std::span<double> values) const {
  for (size_t p = 0; p < parts_.size(); ++p) {
    double* const to = values.data() + parts_[p].first;
    const int64_t size = parts_[p].size;
    with_values(a.tensors[tensors_[p]].value, [&]<class Value>(const Value* left) {
      with_values(b.tensors[tensors_[p]].value, [&]<class Other>(const Other* right) {
        for (int64_t i = 0; i < size; ++i)
          to[i] = static_cast<double>(left[i]) - static_cast<double>(right[i]);
      });
    });
  }
}

void FlatLayout::write(std::span<const double> values, StateDict& state) const {
  const torch::NoGradGuard no_grad;
  for (size_t p = 0; p < parts_.size(); ++p) {
    auto& tensor = state.tensors[tensors_[p]].value;
    const auto part = torch::from_blob(const_cast<double*>(values.data()) + parts_[p].first,
                                       tensor.sizes(), torch::kDouble);
    tensor.copy_(part);
  }
}

}  // namespace starling
