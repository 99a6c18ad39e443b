#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/graph/kernels.h"
#include "nn/graph/term.h"

namespace starling::graph {
namespace {

double epsilon(torch::ScalarType dtype) {
  return dtype == torch::kFloat64 ? std::numeric_limits<double>::epsilon()
                                  : static_cast<double>(std::numeric_limits<float>::epsilon());
}

// The addresses of example b's rows in [outer, B, inner, n].
template <class T>
void append_rows(const torch::Tensor& rows, int64_t b, std::vector<const T*>& addresses) {
  const T* example = rows.const_data_ptr<T>() + b * rows.stride(1);
  for (int64_t o = 0; o < rows.size(0); ++o) {
    for (int64_t i = 0; i < rows.size(2); ++i) {
      addresses.push_back(example + o * rows.stride(0) + i * rows.stride(2));
    }
  }
}

// The addresses of all rows in [outer, B, inner, n], in that order.
template <class T>
void append_all_rows(const torch::Tensor& rows, std::vector<const T*>& addresses) {
  const T* const first = rows.const_data_ptr<T>();
  for (int64_t o = 0; o < rows.size(0); ++o)
    for (int64_t b = 0; b < rows.size(1); ++b)
      for (int64_t i = 0; i < rows.size(2); ++i)
        addresses.push_back(first + o * rows.stride(0) + b * rows.stride(1) + i * rows.stride(2));
}

// The factor of each of them. factors: [B], contiguous
template <class T>
void append_weights(const torch::Tensor& factors, const torch::Tensor& rows,
                    std::vector<T>& weights) {
  const T* const factor = factors.const_data_ptr<T>();
  for (int64_t o = 0; o < rows.size(0); ++o)
    for (int64_t b = 0; b < rows.size(1); ++b)
      weights.insert(weights.end(), static_cast<size_t>(rows.size(2)), factor[b]);
}

torch::Tensor with_whole_rows(const torch::Tensor& rows) {
  return rows.stride(3) == 1 || rows.size(3) == 1 ? rows : rows.contiguous();
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

int64_t ProductTerm::bytes_of_rows() const {
  return batch() * length() * (m_ + n_) * static_cast<int64_t>(rows_.front().left.element_size());
}

torch::Tensor ProductTerm::examples(torch::Tensor Rows::*side, int64_t begin, int64_t end) const {
  std::vector<torch::Tensor> parts;
  for (const auto& rows : rows_) parts.push_back(sequence((rows.*side).slice(1, begin, end)));
  return parts.size() == 1 ? parts.front() : torch::cat(parts, 1);
}

torch::Tensor ProductTerm::compute_squares() {
  const int64_t t = length();
  if (batch() == 0 || t == 0) return torch::zeros({batch()}, torch::kFloat64);
  if (t == 1) return row_norms();
  return gram_is_cheaper() ? gram_norms() : materialised_norms();
}

bool ProductTerm::gram_is_cheaper() const { return 2 * length() * (m_ + n_) < m_ * n_; }

std::string ProductTerm::form() const {
  if (products_) return std::string("product of each example, ") + products_->kept_or_not();
  if (length() == 1) return "norms of both sides";
  return "inner products of " + std::to_string(length()) + " positions";
}

// |l r^T|^2 = |l|^2 |r|^2
torch::Tensor ProductTerm::row_norms() {
  const auto& rows = rows_.front();
  return row_squares(rows.left.reshape({batch(), -1})) *
         row_squares(rows.right.reshape({batch(), -1}));
}

// sum over t, s of (l_t . l_s) (r_t . r_s), in float64 because the terms may cancel. The sum is
// later computed by a product in the gradients' type, whose rounding is allowed for.
torch::Tensor ProductTerm::gram_norms() {
  const auto left = examples(&Rows::left, 0, batch()).to(torch::kFloat64);
  const auto right = examples(&Rows::right, 0, batch()).to(torch::kFloat64);
  const auto squares =
      (left.bmm(left.transpose(1, 2)) * right.bmm(right.transpose(1, 2))).sum({1, 2}).clamp_min(0);
  return (squares.sqrt().cpu() + rounding_slack()).square();
}

torch::Tensor ProductTerm::materialised_norms() {
  auto squares = torch::empty({batch()}, torch::kFloat64);
  make_rows_whole();
  products_.emplace(batch(), m_ * n_, rows_.front().left.options());
  products_->compute([&](int64_t begin, auto& products) { materialise(begin, products, squares); },
                     *budget_, {bytes_of_rows(), length()});
  if (!kept()) return (squares.sqrt() + rounding_slack()).square();
  rows_.clear();
  return squares;
}

// [B] float64 on the CPU: what rounding could add to one example in a sum that is computed in
// another order, sqrt(T) epsilon sum_t |l_t| |r_t|.
torch::Tensor ProductTerm::rounding_slack() const {
  auto lengths = torch::zeros({batch()}, torch::kFloat64);
  for (const auto& rows : rows_) {
    const auto left = rows.left.norm(2, {3}, false, torch::kFloat64);
    lengths += (left * rows.right.norm(2, {3}, false, torch::kFloat64)).sum({0, 2}).cpu();
  }
  return lengths *
         (std::sqrt(static_cast<double>(length())) * epsilon(rows_.front().left.scalar_type()));
}

// For the kernels; once, however many pieces they then compute.
void ProductTerm::make_rows_whole() {
  for (auto& rows : rows_) rows = {with_whole_rows(rows.left), with_whole_rows(rows.right)};
}

// The products of as many examples from `begin` on as `products` [examples, m * n] has rows, and
// the sums of their squares into `squares` [B].
void ProductTerm::materialise(int64_t begin, torch::Tensor& products,
                              torch::Tensor& squares) const {
  const auto& k = kernels();
  const auto type = products.scalar_type();
  if (products.device().is_cpu() && type == torch::kFloat32)
    return materialise_as<float>(begin, k.product_f32, products, squares);
  if (products.device().is_cpu() && type == torch::kFloat64)
    return materialise_as<double>(begin, k.product_f64, products, squares);
  const int64_t end = begin + products.size(0);
  const auto left = examples(&Rows::left, begin, end), right = examples(&Rows::right, begin, end);
  products.copy_(left.transpose(1, 2).bmm(right).flatten(1));
  squares.slice(0, begin, end).copy_(row_squares(products));
}

template <class T, class Product>
void ProductTerm::materialise_as(int64_t begin, Product product, torch::Tensor& products,
                                 torch::Tensor& squares) const {
  T* const out = products.mutable_data_ptr<T>();
  double* const norms = squares.mutable_data_ptr<double>();
  const int64_t grain = kGrainProducts / (length() * m_ * n_ + 1) + 1;
  at::parallel_for(begin, begin + products.size(0), grain, [&](int64_t first, int64_t last) {
    std::vector<T> scratch(product_scratch(length(), m_, n_));
    for (int64_t b = first; b < last; ++b) {
      std::vector<const T*> left, right;
      for (const auto& each : rows_) {
        append_rows(each.left, b, left);
        append_rows(each.right, b, right);
      }
      T* const result = out + (b - begin) * m_ * n_;
      norms[b] = product(left.data(), right.data(), length(), m_, n_, result, scratch.data());
    }
  });
}

torch::Tensor ProductTerm::weighted_sum(const torch::Tensor& factors) {
  if (kept()) return products_->weighted_sum(factors, {}).view({m_, n_});
  make_rows_whole();
  const auto& k = kernels();
  const auto type = rows_.front().left.scalar_type();
  if (rows_.front().left.device().is_cpu() && type == torch::kFloat32)
    return weighted_sum_as<float>(factors, k.weighted_product_f32);
  if (rows_.front().left.device().is_cpu() && type == torch::kFloat64)
    return weighted_sum_as<double>(factors, k.weighted_product_f64);
  torch::Tensor sum;
  for (const auto& rows : rows_) {
    const auto left = (rows.left * factors.view({1, -1, 1, 1})).reshape({-1, m_});
    const auto right = rows.right.reshape({-1, n_});
    sum = sum.defined() ? sum.addmm_(left.t(), right) : left.t().mm(right);
  }
  return sum;
}

template <class T, class Product>
torch::Tensor ProductTerm::weighted_sum_as(const torch::Tensor& factors, Product product) const {
  const auto weights = factors.contiguous();
  std::vector<const T*> left, right;
  std::vector<T> factor;
  for (const auto& each : rows_) {
    append_all_rows(each.left, left);
    append_all_rows(each.right, right);
    append_weights(weights, each.left, factor);
  }
  const WeightedRows<T> in{left.data(), right.data(), factor.data(),
                           static_cast<int64_t>(left.size()), n_};
  auto sum = torch::empty({m_, n_}, rows_.front().left.options());
  if (left.empty()) return sum.zero_();
  T* const out = sum.mutable_data_ptr<T>();
  at::parallel_for(0, m_, kGrainProducts / (in.length * n_ + 1) + 1,
                   [&](int64_t first, int64_t last) {
                     std::vector<T> scratch(product_scratch(in.length, last - first, 64));
                     product(in, first, last, out, scratch.data());
                   });
  return sum;
}

torch::Tensor ProductTerm::example(int64_t b) {
  if (kept()) return products_->row(b).view({m_, n_});
  return examples(&Rows::left, b, b + 1)[0].t().mm(examples(&Rows::right, b, b + 1)[0]);
}

void ProductTerm::forget(const torch::Tensor& kept) {
  const auto zero = [](const torch::Tensor& rows) { return torch::zeros({}, rows.options()); };
  for (auto& rows : rows_) {
    const auto mask = kept.to(rows.left.device()).view({1, -1, 1, 1});
    rows.left = torch::where(mask, rows.left, zero(rows.left));
    rows.right = torch::where(mask, rows.right, zero(rows.right));
  }
  if (this->kept()) products_->forget(kept);
}

}  // namespace starling::graph
