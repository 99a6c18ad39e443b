#include "train/fused_network.h"

#include <torch/nn/modules/container/sequential.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "nn/layer.h"
#include "starling/train/correction.h"
#include "starling/train/optimizer.h"
#include "train/fused_layer.h"

namespace starling::fused {
namespace {

namespace nn = torch::nn;

constexpr int64_t kLargestBatch = 64;

using Modules = std::vector<std::shared_ptr<nn::Module>>;

// The modules that run one after the other; empty where the model is no plain sequence.
Modules sequence_of(const nn::Module& model) {
  if (dynamic_cast<const ModelAdapter<nn::Sequential>*>(&model) != nullptr)
    return model.children().front()->children();
  if (dynamic_cast<const LayerList*>(&model) == nullptr) return {};
  Modules modules;
  for (const auto& child : model.children()) {
    const auto inner = sequence_of(*child);
    if (inner.empty()) modules.push_back(child);
    modules.insert(modules.end(), inner.begin(), inner.end());
  }
  return modules;
}

bool plain_float(const torch::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == torch::kFloat &&
         tensor.is_contiguous();
}

bool parameters_fit(const nn::Module& model) {
  std::set<const void*> seen;
  for (const auto& parameter : model.parameters()) {
    const bool own = seen.insert(parameter.const_data_ptr()).second;
    if (!own || !plain_float(parameter) || !parameter.requires_grad()) return false;
  }
  return !seen.empty();
}

bool data_fits(const Examples& data) {
  const auto& labels = data.labels;
  return plain_float(data.features) && data.features.dim() >= 2 && labels.device().is_cpu() &&
         labels.scalar_type() == torch::kLong && labels.dim() == 1 && labels.is_contiguous();
}

bool labels_below(const Examples& data, int64_t classes) {
  const int64_t* labels = data.labels.const_data_ptr<int64_t>();
  return std::all_of(labels, labels + data.size(),
                     [&](int64_t label) { return label >= 0 && label < classes; });
}

bool plan_fits(const LocalPlan& plan) {
  return plan.sampling != SamplingKind::poisson && plan.batch_size <= kLargestBatch;
}

// Plain SGD changes the weights where their gradient is summed; every other optimizer, and a
// strategy's correction, finds gradients in buffers that the parameters keep.
class TrainingTargets final : public Targets {
 public:
  TrainingTargets(const Model& model, const LocalPlan& plan) {
    const auto* sgd = std::get_if<SgdSpec>(&plan.optimizer);
    if (sgd != nullptr && sgd->momentum == 0.0 && plan.correction == nullptr) {
      const double rate = sgd->learning_rate * plan.learning_rate_factor;
      in_place_ = {static_cast<float>(1.0 - rate * sgd->weight_decay), static_cast<float>(-rate)};
    } else {
      optimizer_ =
          corrected(make_optimizer(plan.optimizer, model.parameters(), plan.learning_rate_factor),
                    plan.correction);
    }
  }

  Target of(const torch::Tensor& parameter) override {
    if (!optimizer_) return {parameter.mutable_data_ptr<float>(), in_place_};
    auto& gradient = parameter.mutable_grad();
    gradient = torch::zeros_like(parameter.detach());
    return {gradient.mutable_data_ptr<float>(), Update{0.0f, 1.0f}};
  }

  void step() {
    if (optimizer_) optimizer_->step();
  }

 private:
  Update in_place_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

// A buffer for every parameter's gradient, set by each pass.
class GradientTargets final : public Targets {
 public:
  explicit GradientTargets(const Model& model) {
    for (const auto& parameter : model.parameters()) {
      order_.emplace(parameter.const_data_ptr(), gradients_.size());
      gradients_.push_back(torch::zeros_like(parameter.detach()));
    }
  }
  Target of(const torch::Tensor& parameter) override {
    auto& gradient = gradients_[order_.at(parameter.const_data_ptr())];
    return {gradient.mutable_data_ptr<float>(), Update{0.0f, 1.0f}};
  }
  const std::vector<torch::Tensor>& gradients() const { return gradients_; }

 private:
  std::map<const void*, size_t> order_;
  std::vector<torch::Tensor> gradients_;
};

// Turns logits [classes] into the gradient of their cross-entropy times `scale`; returns the loss.
double cross_entropy(const float* logits, int64_t classes, int64_t label, float scale,
                     float* gradient) {
  const float largest = *std::max_element(logits, logits + classes);
  float sum = 0.0f;
  for (int64_t c = 0; c < classes; ++c) {
    gradient[c] = std::exp(logits[c] - largest);
    sum += gradient[c];
  }
  for (int64_t c = 0; c < classes; ++c) gradient[c] *= scale / sum;
  gradient[label] -= scale;
  return std::log(sum) - (logits[label] - largest);
}

std::unique_ptr<Layer> make_layer(const Site& site) {
  for (const auto make : {make_dense, make_activation, make_convolution, make_pooling})
    if (auto layer = make(site)) return layer;
  return nullptr;
}

class Sequence {
 public:
  Sequence(const Examples& data, int64_t largest_batch)
      : data_(data),
        example_shape_(data.features.sizes().slice(1).vec()),
        example_size_(product(example_shape_)),
        batch_(largest_batch * example_size_) {}

  // False where a module has no fused layer.
  bool build(const Modules& modules, int64_t largest_batch, Targets& targets) {
    auto shape = example_shape_;
    first_trained_ = modules.size();
    for (const auto& module : modules) {
      const bool trained_before = first_trained_ < layers_.size();
      const Site site{*module, shape, largest_batch, trained_before, targets};
      auto layer = make_layer(site);
      if (!layer) return false;
      if (!trained_before && !module->parameters().empty()) first_trained_ = layers_.size();
      shape = layer->output_shape();
      layers_.push_back(std::move(layer));
    }
    if (shape.size() != 1) return false;
    classes_ = shape[0];
    gradient_.resize(largest_batch * classes_);
    return labels_below(data_, classes_);
  }

  // Forward and backward; returns the sum of the losses.
  double run(const std::vector<int64_t>& indices) {
    const auto batch = static_cast<int64_t>(indices.size());
    gather(indices);
    inputs_.assign(1, batch_.data());
    for (const auto& layer : layers_) inputs_.push_back(layer->forward(inputs_.back(), batch));
    const double loss = loss_and_gradient(indices, inputs_.back());
    const float* gradient = gradient_.data();
    for (size_t i = layers_.size(); i-- > first_trained_;)
      gradient = layers_[i]->backward(inputs_[i], gradient, batch);
    return loss;
  }

 private:
  void gather(const std::vector<int64_t>& indices) {
    const float* features = data_.features.const_data_ptr<float>();
    float* to = batch_.data();
    for (const int64_t index : indices) {
      to_signal(features + index * example_size_, example_shape_, to);
      to += example_size_;
    }
  }

  double loss_and_gradient(const std::vector<int64_t>& indices, const float* logits) {
    const int64_t* labels = data_.labels.const_data_ptr<int64_t>();
    const float scale = 1.0f / static_cast<float>(indices.size());
    double loss = 0.0;
    for (size_t i = 0; i < indices.size(); ++i)
      loss += cross_entropy(logits + i * classes_, classes_, labels[indices[i]], scale,
                            gradient_.data() + i * classes_);
    return loss;
  }

  const Examples& data_;
  std::vector<int64_t> example_shape_;
  int64_t example_size_;
  int64_t classes_ = 0;
  std::vector<std::unique_ptr<Layer>> layers_;
  size_t first_trained_ = 0;  // no gradient goes below this layer
  std::vector<float> batch_, gradient_;
  std::vector<const float*> inputs_;  // of each layer, then the logits
};

class TrainingNetwork final : public Network {
 public:
  TrainingNetwork(const Model& model, const Examples& data, const LocalPlan& plan)
      : targets_(model, plan),
        largest_batch_(std::min(plan.batch_size, data.size())),
        sequence_(data, largest_batch_) {}
  bool build(const Modules& modules) { return sequence_.build(modules, largest_batch_, targets_); }

  double step(const std::vector<int64_t>& indices) override {
    const double loss = sequence_.run(indices);
    targets_.step();
    return loss;
  }

 private:
  TrainingTargets targets_;
  int64_t largest_batch_;
  Sequence sequence_;
};

class SequenceGradient final : public ExampleGradient {
 public:
  SequenceGradient(const Model& model, const Examples& data)
      : targets_(model), sequence_(data, 1) {}
  bool build(const Modules& modules) { return sequence_.build(modules, 1, targets_); }

  double compute(int64_t index) override { return sequence_.run({index}); }
  const std::vector<torch::Tensor>& gradients() const override { return targets_.gradients(); }

 private:
  GradientTargets targets_;
  Sequence sequence_;
};

}  // namespace

std::unique_ptr<Network> network_for(Model& model, const Examples& data, const LocalPlan& plan) {
  if (!plan_fits(plan) || !data_fits(data) || !parameters_fit(model)) return nullptr;
  const auto modules = sequence_of(model);
  if (modules.empty()) return nullptr;
  auto network = std::make_unique<TrainingNetwork>(model, data, plan);
  return network->build(modules) ? std::move(network) : nullptr;
}

std::unique_ptr<ExampleGradient> example_gradient_for(Model& model, const Examples& data) {
  if (!data_fits(data) || !parameters_fit(model)) return nullptr;
  const auto modules = sequence_of(model);
  if (modules.empty()) return nullptr;
  auto gradient = std::make_unique<SequenceGradient>(model, data);
  return gradient->build(modules) ? std::move(gradient) : nullptr;
}

}  // namespace starling::fused
