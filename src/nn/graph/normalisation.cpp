#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include "nn/graph/kernels.h"
#include "nn/graph/rule.h"

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;

constexpr uint32_t kWeightEdge = 1, kBiasEdge = 2;

// y = x_hat * weight + bias over the last axes. The weight's gradient is g * x_hat summed over the
// example's rows.
class LayerNormRule final : public Rule {
 public:
  LayerNormRule(generated::NativeLayerNormBackward0& node, const RuleContext& context)
      : input_(node.input_.unpack().detach()),
        mean_(node.result1_.unpack(node.getptr())),
        scale_(node.result2_.unpack(node.getptr())),
        normalised_axes_(static_cast<int64_t>(node.normalized_shape.size())),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    const auto entries =
        edge.index == kWeightEdge ? gradient * ((input_ - mean_) * scale_) : gradient;
    const auto rows = examples_first(entries, layout_, batch_);
    std::vector<int64_t> axes;
    for (int64_t axis = 1; axis < rows.dim() - normalised_axes_; ++axis) axes.push_back(axis);
    return std::make_unique<DenseTerm>(axes.empty() ? rows : rows.sum(axes));
  }

 private:
  const torch::Tensor input_, mean_, scale_;
  const int64_t normalised_axes_;
  const Layout layout_;
  const int64_t batch_;
};

// y = x_hat * weight + bias a channel, statistics a group: [N, C, ...].
class GroupNormRule final : public Rule {
 public:
  GroupNormRule(generated::NativeGroupNormBackward0& node, const RuleContext& context)
      : input_(node.input_.unpack().detach()),
        mean_(node.result1_.unpack(node.getptr()).contiguous()),
        scale_(node.result2_.unpack(node.getptr()).contiguous()),
        samples_(node.N.expect_int()),
        channels_(node.C.expect_int()),
        groups_(node.group),
        layout_(context.layouts[0]),
        batch_(context.batch) {}

  std::unique_ptr<Term> term(const ParameterEdge& edge, const Captured& captured) override {
    const auto& gradient = captured.gradients[0];
    if (!gradient.defined()) return nullptr;
    if (!weight_.defined()) reduce(gradient);
    const auto& sums = edge.index == kWeightEdge ? weight_ : bias_;
    const auto rows = sums.view({layout_.outer, batch_, layout_.inner, channels_});
    return std::make_unique<DenseTerm>(rows.sum({0, 2}));
  }

 private:
  // [samples, channels]: sum of g * x_hat = (sum of g * x - mean * sum of g) * scale, and sum of g
  void reduce(const torch::Tensor& gradient) {
    if (gradient.device().is_cpu()) {
      gradient.scalar_type() == torch::kFloat64 ? reduce_as<double>(kernels().moments_f64, gradient)
                                                : reduce_as<float>(kernels().moments_f32, gradient);
      return;
    }
    const auto g = gradient.reshape({samples_, groups_, channels_ / groups_, -1});
    const auto centred = input_.reshape(g.sizes()) - mean_.view({samples_, groups_, 1, 1});
    weight_ = (g * centred).sum(3) * scale_.view({samples_, groups_, 1});
    bias_ = g.sum(3);
  }

  template <class T>
  void reduce_as(void (*moments)(const T*, const T*, int64_t, double*, double*),
                 const torch::Tensor& gradient) {
    const auto g = gradient.contiguous(), x = input_.contiguous();
    weight_ = torch::empty({samples_, channels_}, g.options());
    bias_ = torch::empty_like(weight_);
    const auto *mean = mean_.const_data_ptr<T>(), *scale = scale_.const_data_ptr<T>();
    auto *weight = weight_.mutable_data_ptr<T>(), *bias = bias_.mutable_data_ptr<T>();
    const int64_t size = g.numel() / (samples_ * channels_), width = channels_ / groups_;
    const int64_t grain = kGrainSums / (channels_ * size + 1) + 1;
    at::parallel_for(0, samples_, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * channels_; row < end * channels_; ++row) {
        double product = 0, sum = 0;
        moments(g.const_data_ptr<T>() + row * size, x.const_data_ptr<T>() + row * size, size,
                &product, &sum);
        const int64_t group = row / width;
        weight[row] = static_cast<T>((product - mean[group] * sum) * scale[group]);
        bias[row] = static_cast<T>(sum);
      }
    });
  }

  const torch::Tensor input_, mean_, scale_;
  torch::Tensor weight_, bias_;
  const int64_t samples_, channels_, groups_;
  const Layout layout_;
  const int64_t batch_;
};

bool is_direct(const RuleContext& context) {
  for (const auto& edge : context.use.edges) {
    if (edge.index != kWeightEdge && edge.index != kBiasEdge) return false;
  }
  return context.layouts[0].regular();
}

}  // namespace

std::unique_ptr<Rule> make_normalisation_rule(const RuleContext& context) {
  const auto& layout = context.layouts[0];
  if (auto* node = dynamic_cast<generated::NativeLayerNormBackward0*>(context.use.node)) {
    const auto output = static_cast<int64_t>(sizes_at(Edge(node->getptr(), 0)).size());
    const auto normalised = static_cast<int64_t>(node->normalized_shape.size());
    if (!is_direct(context) || layout.axis >= output - normalised) return nullptr;
    return std::make_unique<LayerNormRule>(*node, context);
  }
  if (auto* node = dynamic_cast<generated::NativeGroupNormBackward0*>(context.use.node)) {
    if (!is_direct(context) || layout.axis != 0) return nullptr;
    // Half-precision inputs keep their statistics in another type.
    if (node->input_.unpack().scalar_type() !=
        node->result1_.unpack(node->getptr()).scalar_type()) {
      return nullptr;
    }
    return std::make_unique<GroupNormRule>(*node, context);
  }
  return nullptr;
}

}  // namespace starling::graph
