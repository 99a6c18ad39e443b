#pragma once
// One use's share of the gradient of a slot, for every example. Each layer family has the form that
// is cheapest for it; a norm or a sum never needs more than the form offers.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/graph/kept_rows.h"

namespace starling::graph {

class Term {
 public:
  virtual ~Term() = default;
  // [B] float64 on the CPU: |gradient of example b|^2, computed once. What the sum does not need is
  // let go.
  const torch::Tensor& squared_norms() {
    if (!squares_.defined()) squares_ = compute_squares();
    return squares_;
  }
  // sum over b of factors[b] * gradient of b, in the slot's shape. factors: [B], on the gradients'
  // device and of their type; examples marked by `forget` count as zero.
  virtual torch::Tensor weighted_sum(const torch::Tensor& factors) = 0;
  virtual torch::Tensor example(int64_t b) = 0;
  // How the norms were computed, for the log.
  virtual std::string form() const = 0;
  // Their gradient is not finite: from now on it is zero. `kept`: [B] bool on the CPU.
  virtual void forget(const torch::Tensor& kept) = 0;

 private:
  virtual torch::Tensor compute_squares() = 0;

  torch::Tensor squares_;
};

using Terms = std::vector<std::unique_ptr<Term>>;

// The per-example gradients themselves. values: [B, ...] of the slot's shape in any strides, in
// memory as `storage` [B, n], whose rows are summed without a copy.
class DenseTerm final : public Term {
 public:
  explicit DenseTerm(torch::Tensor values);
  torch::Tensor weighted_sum(const torch::Tensor& factors) override;
  torch::Tensor example(int64_t b) override { return values_[b]; }
  std::string form() const override { return "gradients of each example"; }
  void forget(const torch::Tensor& kept) override;
  void add(const DenseTerm& other) { values_ = values_ + other.values_; }

 private:
  torch::Tensor compute_squares() override;

  torch::Tensor values_;
};

// left[b]^T right[b], from rows of a matrix product. Rows lie as [outer, B, inner, columns].
class ProductTerm final : public Term {
 public:
  struct Rows {
    torch::Tensor left, right;  // [outer, B, inner, m] and [outer, B, inner, n]
  };
  ProductTerm(Rows rows, MemoryBudget& budget)
      : batch_(rows.left.size(1)), m_(rows.left.size(3)), n_(rows.right.size(3)), budget_(&budget) {
    rows_.push_back(std::move(rows));
  }
  torch::Tensor weighted_sum(const torch::Tensor& factors) override;
  torch::Tensor example(int64_t b) override;
  std::string form() const override;
  void forget(const torch::Tensor& kept) override;
  // The products of the other uses of the same slot, summed before the norm.
  void append(const ProductTerm& other);

 private:
  torch::Tensor compute_squares() override;
  int64_t batch() const { return batch_; }
  int64_t length() const;
  int64_t bytes_of_rows() const;
  bool gram_is_cheaper() const;
  torch::Tensor row_norms();
  torch::Tensor gram_norms();
  torch::Tensor materialised_norms();
  torch::Tensor rounding_slack() const;
  void materialise(int64_t begin, torch::Tensor& products, torch::Tensor& squares) const;
  bool kept() const { return products_ && products_->kept(); }
  template <class T, class Product>
  void materialise_as(int64_t begin, Product product, torch::Tensor& products,
                      torch::Tensor& squares) const;
  template <class T, class Product>
  torch::Tensor weighted_sum_as(const torch::Tensor& factors, Product product) const;
  void make_rows_whole();
  torch::Tensor examples(torch::Tensor Rows::*side, int64_t begin, int64_t end) const;

  const int64_t batch_, m_, n_;
  MemoryBudget* budget_;
  std::vector<Rows> rows_;               // none once the products are kept
  std::optional<ExampleRows> products_;  // [m * n] each, once they have been computed
};

// Several uses of one slot without a common form.
class SumTerm final : public Term {
 public:
  explicit SumTerm(Terms terms) : terms_(std::move(terms)) {}
  torch::Tensor weighted_sum(const torch::Tensor& factors) override;
  torch::Tensor example(int64_t b) override;
  std::string form() const override { return "sum of several uses, an example at a time"; }
  void forget(const torch::Tensor& kept) override;
  int64_t batch = 0;

 private:
  torch::Tensor compute_squares() override;

  Terms terms_;
};

// One term for all uses of a slot.
std::unique_ptr<Term> merge(Terms terms, int64_t batch);

// [rows] float64 on the CPU: the sum of squares of each row, accumulated in double precision.
torch::Tensor row_squares(const torch::Tensor& rows);

}  // namespace starling::graph
