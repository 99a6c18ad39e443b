#include "nn/graph/convolution_term.h"

#include <algorithm>

namespace starling::graph {

torch::Tensor ConvolutionTerm::weighted_sum(const torch::Tensor& factors) {
  return to_weight(rows_.weighted_sum(
      factors, [&](int64_t begin, auto& rows) { compute(begin, rows, nullptr); }));
}

torch::Tensor ConvolutionTerm::example(int64_t b) {
  if (rows_.kept()) return to_weight(rows_.row(b));
  auto row = torch::empty({1, columns_}, operands_.gradient.options());
  compute(b, row, nullptr);
  return to_weight(row);
}

void ConvolutionTerm::forget(const torch::Tensor& kept) {
  if (rows_.kept()) return rows_.forget(kept);
  auto& [input, gradient, shape, weight, layout, batch] = operands_;
  const auto zero = torch::zeros({}, gradient.options());
  const auto by_sample = spread(kept.to(gradient.options()), gradient, layout).ne(0);
  input = torch::where(by_sample, input, zero);
  gradient = torch::where(by_sample, gradient, zero);
}

// The kernel visits each position of the output, or of the input where that is transposed: the
// smaller of the two.
Keeping ConvolutionTerm::keeping() const {
  const auto positions = [&](const torch::Tensor& tensor) {
    return tensor.numel() / (tensor.size(1) * operands_.batch);
  };
  return {static_cast<int64_t>(operands_.input.nbytes() + operands_.gradient.nbytes()),
          std::min(positions(operands_.input), positions(operands_.gradient))};
}

torch::Tensor ConvolutionTerm::compute_squares() {
  auto squares = torch::empty({operands_.batch}, torch::kFloat64);
  rows_.compute([&](int64_t begin, auto& rows) { compute(begin, rows, &squares); }, budget_,
                keeping());
  if (rows_.kept()) operands_.input = operands_.gradient = torch::Tensor();
  return squares;
}

}  // namespace starling::graph
