#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include "nn/graph/convolution_term.h"
#include "nn/graph/kernels.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

constexpr uint32_t kWeightEdge = 1, kBiasEdge = 2;

int64_t lanes_of(const torch::Tensor& tensor) {
  return kernels().vector_bytes / static_cast<int64_t>(tensor.element_size());
}

int64_t row_size(const ConvolutionShape& shape, int64_t lanes) {
  return shape.groups * shape.rows() * shape.columns(lanes);
}

// By the direct kernel, on contiguous tensors of the CPU.
class DirectConvolutionTerm final : public ConvolutionTerm {
 public:
  DirectConvolutionTerm(ConvolutionOperands operands, MemoryBudget& budget)
      : ConvolutionTerm(operands, row_size(operands.shape, lanes_of(operands.gradient)), budget),
        lanes_(lanes_of(operands.gradient)),
        is_double_(operands.gradient.scalar_type() == torch::kFloat64) {}

  std::string form() const override { return std::string("direct kernel, ") + kept_or_not(); }

 private:
  void compute(int64_t begin, torch::Tensor& rows, torch::Tensor* squares) const override {
    const int64_t end = begin + rows.size(0);
    double* norms = squares != nullptr ? squares->mutable_data_ptr<double>() : nullptr;
    const auto& gradient = operands().gradient;
    const int64_t positions = gradient.numel() / (gradient.size(1) * operands().batch);
    const int64_t grain = kGrainProducts / (rows.size(1) * positions + 1) + 1;
    at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) {
      const auto& k = kernels();
      if (is_double_) {
        compute_rows<double>(k.convolution_f64, k.squares_f64, first, last, begin, rows, norms);
      } else {
        compute_rows<float>(k.convolution_f32, k.squares_f32, first, last, begin, rows, norms);
      }
    });
  }

  template <class T, class Kernel>
  void compute_rows(Kernel kernel, double (*squares)(const T*, int64_t), int64_t first,
                    int64_t last, int64_t begin, torch::Tensor& rows, double* norms) const {
    const auto& [input, gradient, shape, weight, layout, batch] = operands();
    std::vector<T> scratch(scratch_size(shape, lanes_));
    const auto* inputs = input.template const_data_ptr<T>();
    const auto* gradients = gradient.template const_data_ptr<T>();
    const int64_t input_size = input.numel() / input.size(0);
    const int64_t gradient_size = gradient.numel() / gradient.size(0);
    for (int64_t b = first; b < last; ++b) {
      T* result = rows.template mutable_data_ptr<T>() + (b - begin) * rows.size(1);
      for (int64_t o = 0; o < layout.outer; ++o) {
        for (int64_t i = 0; i < layout.inner; ++i) {
          const int64_t sample = (o * batch + b) * layout.inner + i;
          kernel(inputs + sample * input_size, gradients + sample * gradient_size, shape, o + i > 0,
                 result, scratch.data());
        }
      }
      if (norms != nullptr) norms[b] = squares(result, rows.size(1));
    }
  }

  // [1, groups * rows * columns] -> [outputs, channels / groups, kernel]
  torch::Tensor to_weight(const torch::Tensor& row) const override {
    const auto& shape = operands().shape;
    return row.view({shape.groups, shape.rows(), shape.columns(lanes_)})
        .narrow(2, 0, shape.outputs / shape.groups)
        .transpose(1, 2)
        .reshape(operands().weight);
  }

  const int64_t lanes_;
  const bool is_double_;
};

// What the node says about its convolution.
struct Convolution {
  ConvolutionShape shape;
  bool transposed;
  std::vector<int64_t> output_padding;
};

class ConvolutionRule final : public Rule {
 public:
  ConvolutionRule(torch::Tensor input, Convolution convolution, std::vector<int64_t> weight_sizes,
                  const RuleContext& context)
      : input_(std::move(input)),
        convolution_(std::move(convolution)),
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
    ConvolutionOperands operands{
        input_, gradient.contiguous(), convolution_.shape, weight_sizes_, layout_, batch_};
    if (input_.is_cpu() && !convolution_.transposed)
      return std::make_unique<DirectConvolutionTerm>(std::move(operands), budget_);
    return grouped_convolution(std::move(operands), convolution_.transposed,
                               convolution_.output_padding, budget_);
  }

 private:
  const torch::Tensor input_;
  const Convolution convolution_;
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

Convolution read(const generated::ConvolutionBackward0& node, const torch::Tensor& input,
                 const std::vector<int64_t>& output, const std::vector<int64_t>& weight) {
  const size_t axes = weight.size() - 2;
  ConvolutionShape shape;
  shape.channels = input.size(1);
  shape.outputs = output[1];
  shape.groups = node.groups.expect_int();
  for (size_t i = 0; i < axes; ++i) {
    shape.input[3 - axes + i] = input.size(static_cast<int64_t>(i) + 2);
    shape.kernel[3 - axes + i] = weight[i + 2];
    shape.output[3 - axes + i] = output[i + 2];
  }
  copy_last(node.stride, axes, shape.stride);
  copy_last(node.padding, axes, shape.padding);
  copy_last(node.dilation, axes, shape.dilation);
  int64_t output_padding[3] = {};
  copy_last(node.output_padding, axes, output_padding);
  return {shape, node.transposed, {output_padding + 3 - axes, output_padding + 3}};
}

bool covers(const torch::Tensor& input) {
  return input.layout() == torch::kStrided && input.numel() > 0 &&
         (input.scalar_type() == torch::kFloat32 || input.scalar_type() == torch::kFloat64);
}

}  // namespace

std::unique_ptr<Rule> make_convolution_rule(const RuleContext& context) {
  auto* node = dynamic_cast<generated::ConvolutionBackward0*>(context.use.node);
  if (node == nullptr) return nullptr;
  const auto& layout = context.layouts[0];
  const auto input = node->input_.unpack().detach();
  const auto weight =
      sizes_at(node->next_edge(kWeightEdge).is_valid() ? node->next_edge(kWeightEdge)
                                                       : Edge(node->getptr(), 0));
  if (!layout.regular() || layout.axis != 0 || !covers(input)) return nullptr;
  const auto output = sizes_at(Edge(node->getptr(), 0));
  if (output.size() < 3 || output.size() > 5) return nullptr;
  return std::make_unique<ConvolutionRule>(input.contiguous(), read(*node, input, output, weight),
                                           weight, context);
}

}  // namespace starling::graph
