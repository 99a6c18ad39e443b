#pragma once
// Per-example weight gradients of a convolution, a flat row an example. They are kept for the sum
// where there is memory and computed a second time otherwise: the same values either way.

#include <torch/types.h>

#include <vector>

#include "nn/graph/kernels.h"
#include "nn/graph/ownership.h"
#include "nn/graph/term.h"

namespace starling::graph {

struct ConvolutionOperands {
  torch::Tensor input;     // [batch * samples, channels, ...]
  torch::Tensor gradient;  // [batch * samples, outputs, ...]
  ConvolutionShape shape;
  std::vector<int64_t> weight;  // sizes
  Layout layout;
  int64_t batch;
};

class ConvolutionTerm : public Term {
 public:
  // columns: entries of a row.
  ConvolutionTerm(ConvolutionOperands operands, int64_t columns, MemoryBudget& budget)
      : operands_(std::move(operands)),
        columns_(columns),
        budget_(budget),
        rows_(operands_.batch, columns, operands_.gradient.options()) {}

  torch::Tensor weighted_sum(const torch::Tensor& factors) final;
  torch::Tensor example(int64_t b) final;
  void forget(const torch::Tensor& kept) final;

 protected:
  // Sets `rows` [examples, columns] to the gradients of the examples from `begin` on, and their
  // places of `squares` [batch], unless that is null, to their sums of squares.
  virtual void compute(int64_t begin, torch::Tensor& rows, torch::Tensor* squares) const = 0;
  // [1, columns] -> the weight's sizes
  virtual torch::Tensor to_weight(const torch::Tensor& row) const = 0;

  const ConvolutionOperands& operands() const { return operands_; }
  const char* kept_or_not() const { return rows_.kept_or_not(); }

 private:
  torch::Tensor compute_squares() final;
  Keeping keeping() const;

  ConvolutionOperands operands_;
  const int64_t columns_;
  MemoryBudget& budget_;
  ExampleRows rows_;
};

// By one call of LibTorch's own weight gradient, in which the examples are groups (Rochette,
// Manoel and Tramel 2019, arXiv 1912.06015): on any device, and for transposed convolutions too.
std::unique_ptr<Term> grouped_convolution(ConvolutionOperands operands, bool transposed,
                                          std::vector<int64_t> output_padding,
                                          MemoryBudget& budget);

}  // namespace starling::graph
