#include "starling/federated/client.h"

#include "starling/core/error.h"
#include "starling/train/random_layers.h"

namespace starling {
namespace {

constexpr int64_t kEvaluationBatch = 512;

// Only parameters are clipped and noised: a buffer that training changed holds statistics of the
// data.
void refuse_changed_buffers(const StateDict& global, const StateDict& trained) {
  for (const auto& tensor : trained.tensors) {
    if (tensor.buffer && !torch::equal(tensor.value.cpu(), global.at(tensor.name)))
      throw Error("the buffer \"" + tensor.name +
                  "\" changed during private training; nothing protects what it says about the "
                  "data, so it must not be uploaded");
  }
}

StateDict gradients_of(const Model& model) {
  StateDict sums = view_of(model);
  const auto parameters = model.named_parameters();
  for (auto& tensor : sums.tensors) {
    const auto gradient = tensor.buffer ? torch::Tensor() : parameters[tensor.name].grad();
    tensor.value = gradient.defined() ? gradient : torch::zeros_like(tensor.value);
  }
  return sums;
}

double momentum_of(const OptimizerSpec& optimizer) {
  const auto* sgd = std::get_if<SgdSpec>(&optimizer);
  return sgd == nullptr ? 0.0 : sgd->momentum;
}

}  // namespace

Client::Client(int64_t id, Examples data) : id_(id), data_(std::move(data)) {
  if (data_.size() < 1) throw Error("client " + std::to_string(id) + " has no examples");
  if (data_.features.size(0) != data_.size())
    throw Error("client " + std::to_string(id) + " has " + std::to_string(data_.features.size(0)) +
                " examples and " + std::to_string(data_.size()) + " labels");
}

ClientUpdate Client::train(Model& model, const StateDict& global, const ClientTask& task) const {
  load_state(model, global);
  const StreamOwner owner{task.key, id_, task.round};
  ClientUpdate update;
  update.client = id_;
  update.round = task.round;
  update.examples = size();
  update.staleness = task.staleness;
  update.learning_rate =
      std::visit([](const auto& spec) { return spec.learning_rate; }, task.local.optimizer) *
      task.local.learning_rate_factor;
  update.momentum = momentum_of(task.local.optimizer);
  if (task.initial_loss) update.initial_loss = evaluate(model, data_, kEvaluationBatch).loss();
  seed_random_layers(owner, device_of(model));
  if (task.privacy && task.sum_only) {
    update.metrics = sum_clipped(model, data_, task.local, *task.privacy, owner);
  } else if (task.privacy) {
    update.metrics = train_privately(model, data_, task.local, *task.privacy, owner);
  } else {
    update.metrics = starling::train(model, data_, task.local, owner);
  }
  update.state = view_of(model);
  if (task.privacy || task.fixed_buffers) refuse_changed_buffers(global, update.state);
  if (task.sum_only) update.state = gradients_of(model);
  return update;
}

}  // namespace starling
