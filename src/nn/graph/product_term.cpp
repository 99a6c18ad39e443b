#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/graph/term.h"

namespace starling::graph {
namespace {

constexpr int64_t kChunkBytes = int64_t{8} << 20;  // of per-example gradients that are not kept

double epsilon(torch::ScalarType dtype) {
  return dtype == torch::kFloat64 ? std::numeric_limits<double>::epsilon()
                                  : static_cast<double>(std::numeric_limits<float>::epsilon());
}

// [outer, B, inner, n] -> [B, outer * inner, n]
torch::Tensor sequence(const torch::Tensor& rows) { return rows.transpose(0, 1).flatten(1, 2); }

}  // namespace

void ProductTerm::append(const ProductTerm& other) {
  rows_.insert(rows_.end(), other.rows_.begin(), other.rows_.end());
}

int64_t ProductTerm::length() const {
  int64_t length = 0;
  for (const auto& rows : rows_) length += rows.left.size(0) * rows.left.size(2);
  return length;
}

torch::Tensor ProductTerm::examples(torch::Tensor Rows::*side, int64_t begin, int64_t end) const {
  std::vector<torch::Tensor> parts;
  for (const auto& rows : rows_) parts.push_back(sequence((rows.*side).slice(1, begin, end)));
  return parts.size() == 1 ? parts.front() : torch::cat(parts, 1);
}

torch::Tensor ProductTerm::squared_norms() {
  const int64_t t = length();
  if (batch() == 0 || t == 0) return torch::zeros({batch()}, torch::kFloat64);
  if (t == 1) return row_norms();
  const int64_t m = rows_.front().left.size(3), n = rows_.front().right.size(3);
  const bool gram = 2 * t * (m + n) < m * n;
  return gram ? gram_norms() : materialised_norms();
}

// |l r^T|^2 = |l|^2 |r|^2
torch::Tensor ProductTerm::row_norms() {
  const auto& rows = rows_.front();
  return row_squares(rows.left.reshape({batch(), -1})) *
         row_squares(rows.right.reshape({batch(), -1}));
}

// sum over t, s of (l_t . l_s) (r_t . r_s), in float64 because the terms may cancel. The sum is
// later computed by a product in the gradients' type: what its rounding could add to one example,
// sqrt(T) epsilon sum_t |l_t| |r_t|, is added to the norm.
torch::Tensor ProductTerm::gram_norms() {
  const auto left = examples(&Rows::left, 0, batch()).to(torch::kFloat64);
  const auto right = examples(&Rows::right, 0, batch()).to(torch::kFloat64);
  const auto squares =
      (left.bmm(left.transpose(1, 2)) * right.bmm(right.transpose(1, 2))).sum({1, 2}).clamp_min(0);
  const double rounding =
      std::sqrt(static_cast<double>(length())) * epsilon(rows_.front().left.scalar_type());
  const auto slack = (left.norm(2, {2}) * right.norm(2, {2})).sum(1) * rounding;
  return (squares.sqrt() + slack).square().cpu();
}

torch::Tensor ProductTerm::materialised_norms() {
  const int64_t m = rows_.front().left.size(3), n = rows_.front().right.size(3);
  const int64_t bytes = m * n * static_cast<int64_t>(rows_.front().left.element_size());
  const bool keep = budget_->take(batch() * bytes);
  const int64_t chunk = keep ? batch() : std::max<int64_t>(1, kChunkBytes / bytes);
  const double rounding =
      std::sqrt(static_cast<double>(length())) * epsilon(rows_.front().left.scalar_type());
  std::vector<torch::Tensor> squares;
  for (int64_t begin = 0; begin < batch(); begin += chunk) {
    const int64_t end = std::min(batch(), begin + chunk);
    const auto left = examples(&Rows::left, begin, end);
    const auto right = examples(&Rows::right, begin, end);
    const auto products = left.transpose(1, 2).bmm(right).flatten(1);
    squares.push_back(row_squares(products));
    if (keep) {
      kept_ = products;
      continue;
    }
    const auto lengths =
        left.norm(2, {2}, false, torch::kFloat64) * right.norm(2, {2}, false, torch::kFloat64);
    squares.back() = (squares.back().sqrt() + (lengths.sum(1) * rounding).cpu()).square();
  }
  return torch::cat(squares);
}

torch::Tensor ProductTerm::weighted_sum(const torch::Tensor& factors) {
  const int64_t m = rows_.front().left.size(3), n = rows_.front().right.size(3);
  if (kept_.defined()) return factors.unsqueeze(0).mm(kept_).view({m, n});
  torch::Tensor sum;
  for (const auto& rows : rows_) {
    // The smaller side carries the factors.
    const bool weigh_left = m <= n;
    const auto weights = factors.view({1, -1, 1, 1});
    const auto left = (weigh_left ? rows.left * weights : rows.left).reshape({-1, m});
    const auto right = (weigh_left ? rows.right : rows.right * weights).reshape({-1, n});
    sum = sum.defined() ? sum.addmm_(left.t(), right) : left.t().mm(right);
  }
  return sum;
}

torch::Tensor ProductTerm::example(int64_t b) {
  return examples(&Rows::left, b, b + 1)[0].t().mm(examples(&Rows::right, b, b + 1)[0]);
}

void ProductTerm::forget(const torch::Tensor& kept) {
  const auto zero = [](const torch::Tensor& rows) { return torch::zeros({}, rows.options()); };
  for (auto& rows : rows_) {
    const auto mask = kept.to(rows.left.device()).view({1, -1, 1, 1});
    rows.left = torch::where(mask, rows.left, zero(rows.left));
    rows.right = torch::where(mask, rows.right, zero(rows.right));
  }
  if (!kept_.defined()) return;
  kept_ = torch::where(kept.to(kept_.device()).view({-1, 1}), kept_, zero(kept_));
}

}  // namespace starling::graph
