#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include <algorithm>
#include <utility>

#include "nn/graph/kernels.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

constexpr int64_t kGrainRows = 1000;  // of a table, for a thread

// Rows of a table looked up by index. An example's gradient is zero but for its own rows, where the
// output gradients of equal indices add up; it is never laid out as a whole table.
class LookupTerm final : public Term {
 public:
  // indices: [B, T]; gradients: [B, T, d]; rows at `padding` (or -1) are not trained
  LookupTerm(torch::Tensor indices, torch::Tensor gradients, int64_t table, int64_t padding)
      : indices_(indices.to(torch::kInt64).contiguous()),
        gradients_(gradients.contiguous()),
        table_(table),
        padding_(padding) {}

  torch::Tensor weighted_sum(const torch::Tensor& factors) override {
    if (!gradients_.is_cpu()) return table_of(gradients_ * factors.view({-1, 1, 1}), indices_);
    auto sum = torch::zeros({table_, gradients_.size(2)}, gradients_.options());
    if (gradients_.scalar_type() == torch::kFloat64)
      add_rows<double>(factors.contiguous(), sum);
    else
      add_rows<float>(factors.contiguous(), sum);
    return sum;
  }

  torch::Tensor example(int64_t b) override { return table_of(gradients_[b], indices_[b]); }

  std::string form() const override { return "rows of the table that each example looks up"; }

  void forget(const torch::Tensor& kept) override {
    gradients_ = torch::where(kept.to(gradients_.device()).view({-1, 1, 1}), gradients_,
                              torch::zeros({}, gradients_.options()));
  }

 private:
  torch::Tensor compute_squares() override {
    if (!gradients_.is_cpu()) return squares_of_looked_up_rows();
    auto squares = torch::empty({gradients_.size(0)}, torch::kFloat64);
    auto* out = squares.mutable_data_ptr<double>();
    const int64_t grain = kGrainSums / (gradients_.size(1) * gradients_.size(2) + 1) + 1;
    at::parallel_for(0, gradients_.size(0), grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        out[b] = gradients_.scalar_type() == torch::kFloat64
                     ? squared_norm<double>(kernels().squares_f64, b)
                     : squared_norm<float>(kernels().squares_f32, b);
      }
    });
    return squares;
  }

  torch::Tensor table_of(const torch::Tensor& gradients, const torch::Tensor& indices) const {
    return at::embedding_dense_backward(gradients, indices, table_, padding_, false);
  }

  // On any device: the sums of every row that an example looks up, then of their squares.
  torch::Tensor squares_of_looked_up_rows() const {
    const int64_t batch = gradients_.size(0), width = gradients_.size(2);
    const auto example = torch::arange(batch, indices_.options()).view({-1, 1});
    const auto [rows, places] =
        at::_unique((example * table_ + indices_).flatten(), /*sorted=*/true,
                    /*return_inverse=*/true);
    const auto trained = torch::where(indices_.ne(padding_).unsqueeze(2), gradients_,
                                      torch::zeros({}, gradients_.options()));
    const auto options = gradients_.options().dtype(torch::kFloat64);
    const auto sums = torch::zeros({rows.size(0), width}, options)
                          .index_add_(0, places, trained.view({-1, width}).to(torch::kFloat64));
    return torch::zeros({batch}, options)
        .index_add_(0, rows.div(table_, "floor"), sums.square().sum(1))
        .cpu();
  }

  template <class T>
  double squared_norm(double (*squares)(const T*, int64_t), int64_t b) const {
    const int64_t length = indices_.size(1), width = gradients_.size(2);
    const auto* index = indices_.const_data_ptr<int64_t>() + b * length;
    const auto* rows = gradients_.const_data_ptr<T>() + b * length * width;
    std::vector<int64_t> order;
    for (int64_t t = 0; t < length; ++t) {
      if (index[t] != padding_) order.push_back(t);
    }
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t c) {
      return std::pair(index[a], a) < std::pair(index[c], c);
    });
    double total = 0;
    std::vector<T> sum(width);
    for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      for (end = begin + 1; end < order.size() && index[order[end]] == index[order[begin]];) ++end;
      const T* first = rows + order[begin] * width;
      if (end - begin > 1) {
        std::copy(first, first + width, sum.begin());
        for (size_t i = begin + 1; i < end; ++i) {
          const T* row = rows + order[i] * width;
          for (int64_t j = 0; j < width; ++j) sum[j] += row[j];
        }
        first = sum.data();
      }
      total += squares(first, width);
    }
    return total;
  }

  // Every thread reads all indices and adds to its own rows of the table.
  template <class T>
  void add_rows(const torch::Tensor& factors, torch::Tensor& sum) const {
    const int64_t length = indices_.size(1), width = gradients_.size(2);
    const auto* index = indices_.const_data_ptr<int64_t>();
    const auto* gradient = gradients_.const_data_ptr<T>();
    const auto* factor = factors.const_data_ptr<T>();
    auto* out = sum.mutable_data_ptr<T>();
    at::parallel_for(0, table_, kGrainRows, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < indices_.numel(); ++i) {
        if (index[i] == padding_ || index[i] < begin || index[i] >= end) continue;
        const T* from = gradient + i * width;
        T* to = out + index[i] * width;
        for (int64_t j = 0; j < width; ++j) to[j] += factor[i / length] * from[j];
      }
    });
  }

  const torch::Tensor indices_;
  torch::Tensor gradients_;
  const int64_t table_, padding_;
};

class EmbeddingRule final : public Rule {
 public:
  EmbeddingRule(generated::EmbeddingBackward0& node, const RuleContext& context)
      : indices_(node.indices_.unpack()),
        table_(node.weight_sym_argsize_0.expect_int()),
        padding_(node.padding_idx.expect_int()),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge&, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    const int64_t width = gradient.size(-1);
    const auto rows = examples_first(gradient, layout_, batch_).reshape({batch_, -1, width});
    const auto indices = examples_first(indices_, layout_, batch_).reshape({batch_, -1});
    return std::make_unique<LookupTerm>(indices, rows, table_, padding_);
  }

 private:
  const torch::Tensor indices_;
  const int64_t table_, padding_;
  const Layout layout_;
  const int64_t batch_;
};

}  // namespace

std::unique_ptr<Rule> make_embedding_rule(const RuleContext& context) {
  auto* node = dynamic_cast<generated::EmbeddingBackward0*>(context.use.node);
  if (node == nullptr) return nullptr;
  const auto& layout = context.layouts[0];
  const auto output = sizes_at(Edge(node->getptr(), 0));
  int64_t entries = 1;
  for (int64_t size : output) entries *= size;
  const bool covered =
      layout.regular() && entries > 0 && layout.axis < static_cast<int64_t>(output.size()) - 1;
  if (!covered) return nullptr;
  return std::make_unique<EmbeddingRule>(*node, context);
}

}  // namespace starling::graph
