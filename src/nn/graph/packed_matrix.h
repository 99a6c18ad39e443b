#pragma once
// A float32 matrix on the CPU that many rows are multiplied with, laid out for that once.

#include <torch/types.h>

#include <vector>

namespace starling::graph {

class PackedMatrix {
 public:
  // matrix: [K, N]
  explicit PackedMatrix(const torch::Tensor& matrix);
  // left: `rows` rows of K entries, `left_step` apart; result: [rows, N], set. A row's product does
  // not depend on the rows beside it.
  void multiply(const float* left, int64_t left_step, int64_t rows, float* result) const;
  // left: [..., K] contiguous -> [..., N]
  torch::Tensor multiply(const torch::Tensor& left) const;

 private:
  int64_t length_, columns_;
  std::vector<float> panels_;
};

}  // namespace starling::graph
