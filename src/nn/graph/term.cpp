#include "nn/graph/term.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "nn/graph/kernels.h"

#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "at::parallel_for is serial in files that are compiled without OpenMP"
#endif

namespace starling::graph {
namespace {

torch::Tensor keep_rows(const torch::Tensor& rows, const torch::Tensor& kept, int64_t axis) {
  std::vector<int64_t> shape(rows.dim(), 1);
  shape[axis] = kept.size(0);
  return torch::where(kept.to(rows.device()).view(shape), rows, torch::zeros({}, rows.options()));
}

torch::Tensor row_squares_on_cpu(const torch::Tensor& rows) {
  const auto values = rows.contiguous();
  auto squares = torch::empty({rows.size(0)}, torch::kFloat64);
  auto* out = squares.mutable_data_ptr<double>();
  const int64_t size = rows.size(1);
  const int64_t grain = kGrainSums / (size + 1) + 1;
  at::parallel_for(0, rows.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      out[r] = values.scalar_type() == torch::kFloat64
                   ? kernels().squares_f64(values.const_data_ptr<double>() + r * size, size)
                   : kernels().squares_f32(values.const_data_ptr<float>() + r * size, size);
    }
  });
  return squares;
}

}  // namespace

torch::Tensor row_squares(const torch::Tensor& rows) {
  if (rows.numel() == 0) return torch::zeros({rows.size(0)}, torch::kFloat64);
  if (rows.device().is_cpu() && rows.dim() == 2) return row_squares_on_cpu(rows);
  const auto norms = torch::linalg_vector_norm(rows, 2, {1}, false, torch::kFloat64);
  return norms.square().cpu();
}

DenseTerm::DenseTerm(torch::Tensor values) : values_(std::move(values)) {}

torch::Tensor DenseTerm::compute_squares() {
  return row_squares(values_.reshape({values_.size(0), -1}));
}

torch::Tensor DenseTerm::weighted_sum(const torch::Tensor& factors) {
  if (values_.dim() == 1) return factors.dot(values_);
  return torch::tensordot(factors, values_, {0}, {0});
}

void DenseTerm::forget(const torch::Tensor& kept) { values_ = keep_rows(values_, kept, 0); }

torch::Tensor SumTerm::compute_squares() {
  auto squares = torch::zeros({batch}, torch::kFloat64);
  for (int64_t b = 0; b < batch; ++b) {
    squares[b] = row_squares(example(b).reshape({1, -1}))[0];
  }
  return squares;
}

torch::Tensor SumTerm::weighted_sum(const torch::Tensor& factors) {
  auto sum = terms_.front()->weighted_sum(factors);
  for (size_t i = 1; i < terms_.size(); ++i) sum = sum + terms_[i]->weighted_sum(factors);
  return sum;
}

torch::Tensor SumTerm::example(int64_t b) {
  auto sum = terms_.front()->example(b);
  for (size_t i = 1; i < terms_.size(); ++i) sum = sum + terms_[i]->example(b);
  return sum;
}

void SumTerm::forget(const torch::Tensor& kept) {
  for (auto& term : terms_) term->forget(kept);
}

std::unique_ptr<Term> merge(Terms terms, int64_t batch) {
  Terms merged;
  ProductTerm* product = nullptr;
  DenseTerm* dense = nullptr;
  for (auto& term : terms) {
    if (auto* next = dynamic_cast<ProductTerm*>(term.get())) {
      if (product != nullptr) {
        product->append(*next);
        continue;
      }
      product = next;
    } else if (auto* next = dynamic_cast<DenseTerm*>(term.get())) {
      if (dense != nullptr) {
        dense->add(*next);
        continue;
      }
      dense = next;
    }
    merged.push_back(std::move(term));
  }
  if (merged.size() == 1) return std::move(merged.front());
  auto sum = std::make_unique<SumTerm>(std::move(merged));
  sum->batch = batch;
  return sum;
}

}  // namespace starling::graph
