#include "nn/graph/packed_matrix.h"

#include <ATen/Parallel.h>

#include "nn/graph/kernels.h"

namespace starling::graph {

PackedMatrix::PackedMatrix(const torch::Tensor& matrix)
    : length_(matrix.size(0)),
      columns_(matrix.size(1)),
      panels_(static_cast<size_t>(product_scratch(length_, 0, columns_))) {
  const auto whole = matrix.contiguous();
  std::vector<const float*> rows;
  for (int64_t k = 0; k < length_; ++k)
    rows.push_back(whole.const_data_ptr<float>() + k * columns_);
  kernels().pack(rows.data(), length_, columns_, panels_.data());
}

void PackedMatrix::multiply(const float* left, int64_t left_step, int64_t rows,
                            float* result) const {
  kernels().multiply_packed(left, left_step, rows, panels_.data(), length_, columns_, result);
}

torch::Tensor PackedMatrix::multiply(const torch::Tensor& left) const {
  auto sizes = left.sizes().vec();
  sizes.back() = columns_;
  auto result = torch::empty(sizes, left.options());
  const float* const from = left.const_data_ptr<float>();
  float* const to = result.mutable_data_ptr<float>();
  const int64_t grain = kGrainProducts / (length_ * columns_ + 1) + 1;
  at::parallel_for(0, left.numel() / length_, grain, [&](int64_t begin, int64_t end) {
    multiply(from + begin * length_, length_, end - begin, to + begin * columns_);
  });
  return result;
}

}  // namespace starling::graph
