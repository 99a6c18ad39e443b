#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include <algorithm>

#include "nn/graph/kernels.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

constexpr uint32_t kWeightEdge = 1, kBiasEdge = 2;

// Per-example weight gradients by the direct kernel. They are kept for the sum where there is
// memory and computed a second time otherwise: the same values either way.
class ConvolutionTerm final : public Term {
 public:
  // input: [batch * samples, channels, ...]; gradient: [batch * samples, outputs, ...]
  ConvolutionTerm(torch::Tensor input, torch::Tensor gradient, const ConvolutionShape& shape,
                  std::vector<int64_t> weight_sizes, const Layout& layout, int64_t batch,
                  MemoryBudget& budget)
      : input_(std::move(input)),
        gradient_(std::move(gradient)),
        options_(gradient_.options()),
        shape_(shape),
        weight_sizes_(std::move(weight_sizes)),
        layout_(layout),
        batch_(batch),
        budget_(budget),
        rows_(batch, row_size(), options_) {}

  torch::Tensor weighted_sum(const torch::Tensor& factors) override {
    return to_weight(
        rows_.weighted_sum(factors, [&](int64_t begin, auto& rows) { compute(begin, rows); }));
  }

  torch::Tensor example(int64_t b) override {
    if (rows_.kept()) return to_weight(rows_.row(b));
    auto row = torch::empty({1, row_size()}, options_);
    compute(b, row);
    return to_weight(row);
  }

  std::string form() const override { return std::string("direct kernel, ") + rows_.kept_or_not(); }

  void forget(const torch::Tensor& kept) override {
    if (rows_.kept()) return rows_.forget(kept);
    const auto zero = torch::zeros({}, options_);
    const auto by_sample = spread(kept.to(gradient_.scalar_type()), gradient_, layout_).ne(0);
    input_ = torch::where(by_sample, input_, zero);
    gradient_ = torch::where(by_sample, gradient_, zero);
  }

 private:
  torch::Tensor compute_squares() override {
    auto squares = torch::empty({batch_}, torch::kFloat64);
    rows_.compute([&](int64_t begin, auto& rows) { compute(begin, rows, &squares); }, budget_);
    if (rows_.kept()) input_ = gradient_ = torch::Tensor();
    return squares;
  }

  int64_t lanes() const {
    return kernels().vector_bytes / static_cast<int64_t>(options_.dtype().itemsize());
  }
  int64_t row_size() const { return shape_.groups * shape_.rows() * shape_.columns(lanes()); }

  // The gradients of as many examples from `begin` on as `rows` [examples, groups * rows * columns]
  // has; their sums of squares into `squares` [batch].
  void compute(int64_t begin, torch::Tensor& rows, torch::Tensor* squares = nullptr) const {
    const int64_t end = begin + rows.size(0);
    double* norms = squares != nullptr ? squares->mutable_data_ptr<double>() : nullptr;
    at::parallel_for(begin, end, 1, [&](int64_t first, int64_t last) {
      const auto& k = kernels();
      if (gradient_.scalar_type() == torch::kFloat64) {
        compute_rows<double>(k.convolution_f64, k.squares_f64, first, last, begin, rows, norms);
      } else {
        compute_rows<float>(k.convolution_f32, k.squares_f32, first, last, begin, rows, norms);
      }
    });
  }

  template <class T, class Kernel>
  void compute_rows(Kernel kernel, double (*squares)(const T*, int64_t), int64_t first,
                    int64_t last, int64_t begin, torch::Tensor& rows, double* norms) const {
    std::vector<T> scratch(scratch_size(shape_, lanes()));
    const auto* input = input_.template const_data_ptr<T>();
    const auto* gradient = gradient_.template const_data_ptr<T>();
    const int64_t input_size = input_.numel() / input_.size(0);
    const int64_t gradient_size = gradient_.numel() / gradient_.size(0);
    for (int64_t b = first; b < last; ++b) {
      T* result = rows.template mutable_data_ptr<T>() + (b - begin) * row_size();
      for (int64_t o = 0; o < layout_.outer; ++o) {
        for (int64_t i = 0; i < layout_.inner; ++i) {
          const int64_t sample = (o * batch_ + b) * layout_.inner + i;
          kernel(input + sample * input_size, gradient + sample * gradient_size, shape_, o + i > 0,
                 result, scratch.data());
        }
      }
      if (norms != nullptr) norms[b] = squares(result, row_size());
    }
  }

  // [1, groups * rows * columns] -> [outputs, channels / groups, kernel]
  torch::Tensor to_weight(const torch::Tensor& row) const {
    return row.view({shape_.groups, shape_.rows(), shape_.columns(lanes())})
        .narrow(2, 0, shape_.outputs / shape_.groups)
        .transpose(1, 2)
        .reshape(weight_sizes_);
  }

  torch::Tensor input_, gradient_;
  const torch::TensorOptions options_;
  const ConvolutionShape shape_;
  const std::vector<int64_t> weight_sizes_;
  const Layout layout_;
  const int64_t batch_;
  MemoryBudget& budget_;
  ExampleRows rows_;
};

class ConvolutionRule final : public Rule {
 public:
  ConvolutionRule(torch::Tensor input, const ConvolutionShape& shape,
                  std::vector<int64_t> weight_sizes, const RuleContext& context)
      : input_(std::move(input)),
        shape_(shape),
        weight_sizes_(std::move(weight_sizes)),
        layout_(context.layouts[0]),
        batch_(context.batch),
        budget_(context.budget) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    if (edge.index == kBiasEdge) {
      const auto samples = gradient.flatten(2).sum(2);
      return std::make_unique<DenseTerm>(
          samples.unflatten(0, {layout_.outer, batch_, layout_.inner}).sum({0, 2}));
    }
    return std::make_unique<ConvolutionTerm>(input_, gradient.contiguous(), shape_, weight_sizes_,
                                             layout_, batch_, budget_);
  }

 private:
  const torch::Tensor input_;
  const ConvolutionShape shape_;
  const std::vector<int64_t> weight_sizes_;
  const Layout layout_;
  const int64_t batch_;
  MemoryBudget& budget_;
};

void copy_last(const std::vector<c10::SymInt>& from, size_t axes, int64_t* to) {
  for (size_t i = 0; i < axes; ++i) {
    to[3 - axes + i] = from[from.size() == 1 ? 0 : i].expect_int();
  }
}

ConvolutionShape shape_of(const generated::ConvolutionBackward0& node, const torch::Tensor& input,
                          const std::vector<int64_t>& output, const std::vector<int64_t>& weight) {
  const size_t axes = weight.size() - 2;
  ConvolutionShape shape;
  shape.channels = input.size(1);
  shape.outputs = weight[0];
  shape.groups = node.groups.expect_int();
  for (size_t i = 0; i < axes; ++i) {
    shape.input[3 - axes + i] = input.size(static_cast<int64_t>(i) + 2);
    shape.kernel[3 - axes + i] = weight[i + 2];
    shape.output[3 - axes + i] = output[i + 2];
  }
  copy_last(node.stride, axes, shape.stride);
  copy_last(node.padding, axes, shape.padding);
  copy_last(node.dilation, axes, shape.dilation);
  return shape;
}

bool runs_on_kernel(const torch::Tensor& input) {
  return input.device().is_cpu() && input.layout() == torch::kStrided &&
         (input.scalar_type() == torch::kFloat32 || input.scalar_type() == torch::kFloat64);
}

}  // namespace

std::unique_ptr<Rule> make_convolution_rule(const RuleContext& context) {
  auto* node = dynamic_cast<generated::ConvolutionBackward0*>(context.use.node);
  if (node == nullptr || node->transposed) return nullptr;
  const auto& layout = context.layouts[0];
  const auto input = node->input_.unpack().detach();
  const auto weight =
      sizes_at(node->next_edge(kWeightEdge).is_valid() ? node->next_edge(kWeightEdge)
                                                       : Edge(node->getptr(), 0));
  if (!layout.regular() || layout.axis != 0 || !runs_on_kernel(input)) return nullptr;
  const auto output = sizes_at(Edge(node->getptr(), 0));
  if (output.size() < 3 || output.size() > 5 || input.numel() == 0) return nullptr;
  const auto shape = shape_of(*node, input, output, weight);
  return std::make_unique<ConvolutionRule>(input.contiguous(), shape, weight, context);
}

}  // namespace starling::graph
