#pragma once
// A round of federated averaging as a LibTorch user writes it: stock torch::nn::Sequential,
// autograd and torch::optim::SGD, one thread a worker.

#include <torch/torch.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "starling/federated/client.h"
#include "step_cost_models.h"

namespace starling::bench {

inline nn::Sequential mlp_2nn() {
  return nn::Sequential(nn::Flatten(), nn::Linear(784, 200), nn::ReLU(), nn::Linear(200, 200),
                        nn::ReLU(), nn::Linear(200, 10));
}

inline nn::Sequential stock_model(const std::string& name) {
  if (name == "mlp_2nn") return mlp_2nn();
  if (name == "cnn_mcmahan") return cnn_mcmahan();
  if (name == "cnn_tutorial") return cnn_tutorial();
  throw std::invalid_argument(name + ": expected mlp_2nn, cnn_mcmahan or cnn_tutorial");
}

class PlainRounds {
 public:
  // `initial`: one tensor a parameter, in the model's order.
  PlainRounds(const std::string& model, const std::vector<Client>& clients, int workers,
              const std::vector<torch::Tensor>& initial)
      : clients_(clients) {
    for (const auto& value : initial) global_.push_back(value.clone());
    for (int i = 0; i < workers; ++i) models_.push_back(stock_model(model));
  }

  const std::vector<torch::Tensor>& global() const { return global_; }

  // Every client takes part: one pass over its examples with the batches that `task` draws.
  void round(const ClientTask& task) {
    std::atomic<size_t> next{0};
    std::vector<std::vector<torch::Tensor>> sums(models_.size());
    std::vector<std::thread> helpers;
    const auto work = [&](size_t worker) {
      at::set_num_threads(1);
      for (const auto& value : global_) sums[worker].push_back(torch::zeros_like(value));
      for (size_t i = next++; i < clients_.size(); i = next++)
        train_one(models_[worker], clients_[i], task, sums[worker]);
    };
    for (size_t i = 1; i < models_.size(); ++i) helpers.emplace_back(work, i);
    work(0);
    for (auto& helper : helpers) helper.join();
    average(sums);
  }

 private:
  void train_one(nn::Sequential& model, const Client& client, const ClientTask& task,
                 std::vector<torch::Tensor>& sums) const {
    const auto parameters = model->parameters();
    {
      const torch::NoGradGuard no_grad;
      for (size_t i = 0; i < parameters.size(); ++i) parameters[i].copy_(global_[i]);
    }
    torch::optim::SGD sgd(parameters, std::get<SgdSpec>(task.local.optimizer).learning_rate);
    BatchSampler sampler(SamplingKind::shuffle, client.size(), task.local.batch_size, 1.0,
                         {task.key, client.id(), task.round});
    for (int64_t step = 0; step < task.local.steps; ++step) {
      const auto batch = client.data().at(sampler.batch(step));
      sgd.zero_grad();
      nn::functional::cross_entropy(model->forward(batch.features), batch.labels).backward();
      sgd.step();
    }
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < sums.size(); ++i) sums[i].add_(parameters[i]);
  }

  // Clients hold equally many examples, so that the mean is FedAvg's.
  void average(const std::vector<std::vector<torch::Tensor>>& sums) {
    for (size_t i = 0; i < global_.size(); ++i) {
      global_[i].zero_();
      for (const auto& sum : sums) global_[i].add_(sum[i]);
      global_[i].div_(static_cast<double>(clients_.size()));
    }
  }

  const std::vector<Client>& clients_;
  std::vector<torch::Tensor> global_;
  std::vector<nn::Sequential> models_;
};

}  // namespace starling::bench
