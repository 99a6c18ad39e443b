#pragma once
// Per-example gradients of one layer between their norm and their sum, in pieces small enough for
// the holes that a step's activations leave in the heap.

#include <torch/types.h>

#include <functional>
#include <vector>

namespace starling::graph {

// What keeping the gradients of one layer changes.
struct Keeping {
  int64_t let_go = 0;  // bytes that are needed only where they are computed again
  int64_t length = 1;  // multiplications that one entry takes
};

// Bytes that per-example gradients may occupy until they are summed, beyond those that they let go;
// what does not fit is computed twice. Bytes that are quick to compute again count for more.
class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t bytes) : left_(bytes) {}
  bool take(int64_t bytes, const Keeping& keeping);
  void grow(int64_t bytes) { left_ += bytes; }

 private:
  int64_t left_;
};

class ExampleRows {
 public:
  // Sets `rows` [examples, columns] to the gradients of the examples from `begin` on.
  using Compute = std::function<void(int64_t begin, torch::Tensor& rows)>;

  // Of `examples` gradients of `columns` entries each.
  ExampleRows(int64_t examples, int64_t columns, const torch::TensorOptions& options)
      : examples_(examples), columns_(columns), options_(options) {}

  // Computes all and keeps them if the budget allows, which kept() then says.
  void compute(const Compute& compute, MemoryBudget& budget, const Keeping& keeping);
  bool kept() const { return !pieces_.empty(); }
  const char* kept_or_not() const { return kept() ? "kept" : "computed twice"; }
  // factors: [examples] -> [1, columns], computed again where they are not kept.
  torch::Tensor weighted_sum(const torch::Tensor& factors, const Compute& compute) const;
  // The rest only where they are kept.
  torch::Tensor row(int64_t example) const;    // [1, columns]
  void forget(const torch::Tensor& examples);  // [examples] bool on the CPU: false ones become zero

 private:
  int64_t piece() const;                       // examples of one
  torch::Tensor room(int64_t examples) const;  // not set

  int64_t examples_, columns_;
  torch::TensorOptions options_;
  std::vector<torch::Tensor> pieces_;
};

}  // namespace starling::graph
