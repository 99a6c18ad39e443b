#pragma once
// Which example owns each entry of a gradient that flows back from per-example losses.
//
// The losses are differentiated once with ones and then with root r_b = 2^(digit of b in base 32
// minus 16), a digit at a time. Backward is linear and scaling by a power of two is exact, so an
// entry that depends on one loss only satisfies G(r) == r_b G(1) bit for bit, which reveals b; an
// inexact ratio shows that losses are mixed.

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "nn/graph/tape.h"

namespace starling::graph {

using Gradients = std::vector<torch::Tensor>;

// Entries of a gradient by example. Regular: axis `axis` has outer * batch * inner entries and the
// entry (o, b, i) of it belongs to example b. Irregular: `owners` names the example of each entry.
struct Layout {
  int64_t axis = 0, outer = 1, inner = 1;
  bool absent = false;   // no gradient flows here
  torch::Tensor owners;  // int64, the gradient's shape; undefined for regular layouts
  bool regular() const { return !owners.defined(); }
};

// [batch, ...]: the batch in front and the gradient's own axes behind it, `axis` now of length
// outer * inner. A view where the strides allow it.
torch::Tensor examples_first(const torch::Tensor& gradient, const Layout& layout, int64_t batch);

// The gradient with every entry of the other examples zero.
torch::Tensor only_example(const torch::Tensor& gradient, const Layout& layout, int64_t batch,
                           int64_t example);

// factors [batch] spread over the gradient's entries: what each of them is multiplied by.
torch::Tensor spread(const torch::Tensor& factors, const torch::Tensor& gradient,
                     const Layout& layout);

struct Ownership {
  enum class Verdict {
    separate,   // every entry has one owner
    mixed,      // an entry depends on several losses
    undecided,  // entries too small or not finite: no statement
  };
  Verdict verdict = Verdict::separate;
  bool unique = true;  // no other regular layout explains the entries: holds for later batches
  Layout layout;
};

// One captured gradient under the root of ones and of one digit: that digit of each entry's owner,
// int8 on the CPU; negative where the entries do not tell it.
torch::Tensor read_digits(const torch::Tensor& with_ones, const torch::Tensor& with_digit);

// `digits`: by read_digits, the lowest first. batch > 1.
Ownership infer_ownership(const torch::Tensor& with_ones, const std::vector<torch::Tensor>& digits,
                          int64_t batch);

// The root gradients of the digits, [batch] each.
Gradients digit_roots(const torch::Tensor& losses);

// The same layout for a gradient of these sizes and another batch; false where they do not allow
// it.
bool fit_layout(Layout& layout, torch::IntArrayRef sizes, int64_t batch);

}  // namespace starling::graph
