#include "nn/graph/convolution_term.h"

namespace starling::graph {
namespace {

class GroupedConvolutionTerm final : public ConvolutionTerm {
 public:
  GroupedConvolutionTerm(ConvolutionOperands operands, bool transposed,
                         std::vector<int64_t> output_padding, MemoryBudget& budget)
      : ConvolutionTerm(operands, c10::multiply_integers(operands.weight), budget),
        transposed_(transposed),
        output_padding_(std::move(output_padding)) {}

  std::string form() const override {
    return std::string("one convolution with a group an example, ") + kept_or_not();
  }

 private:
  void compute(int64_t begin, torch::Tensor& rows, torch::Tensor* squares) const override {
    const int64_t examples = rows.size(0);
    const auto& shape = operands().shape;
    auto sizes = operands().weight;
    sizes[0] *= examples;
    const auto only_its_sizes = torch::zeros({}, rows.options()).expand(sizes);
    const auto gradients = at::convolution_backward(
        as_groups(operands().gradient, begin, examples),
        as_groups(operands().input, begin, examples), only_its_sizes, at::OptionalIntArrayRef(),
        spatial(shape.stride), spatial(shape.padding), spatial(shape.dilation), transposed_,
        output_padding_, shape.groups * examples, {false, true, false});
    rows.copy_(std::get<1>(gradients).reshape(rows.sizes()));
    if (squares != nullptr) squares->slice(0, begin, begin + examples).copy_(row_squares(rows));
  }

  torch::Tensor to_weight(const torch::Tensor& row) const override {
    return row.view(operands().weight);
  }

  // [batch * samples, channels, ...] -> [samples, examples * channels, ...]
  torch::Tensor as_groups(const torch::Tensor& tensor, int64_t begin, int64_t examples) const {
    const auto& layout = operands().layout;
    return tensor.unflatten(0, {layout.outer, operands().batch, layout.inner})
        .narrow(1, begin, examples)
        .transpose(1, 2)
        .flatten(0, 1)
        .flatten(1, 2);
  }

  at::IntArrayRef spatial(const int64_t (&sizes)[3]) const {
    const size_t axes = operands().weight.size() - 2;
    return {sizes + 3 - axes, axes};
  }

  const bool transposed_;
  const std::vector<int64_t> output_padding_;
};

}  // namespace

std::unique_ptr<Term> grouped_convolution(ConvolutionOperands operands, bool transposed,
                                          std::vector<int64_t> output_padding,
                                          MemoryBudget& budget) {
  return std::make_unique<GroupedConvolutionTerm>(std::move(operands), transposed,
                                                  std::move(output_padding), budget);
}

}  // namespace starling::graph
