// DP-SGD around a stock LibTorch module and optimizer, in a project of its own.
#include <starling/privacy/accountant.h>
#include <starling/train/dp_optimizer.h>
#include <torch/torch.h>

#include <cstdio>

int main() {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(8, 16), torch::nn::ReLU(),
                              torch::nn::Linear(16, 2));
  torch::optim::SGD sgd(model->parameters(), torch::optim::SGDOptions(0.5));

  const auto features = torch::randn({512, 8});
  const auto labels = features.select(1, 0).gt(0).to(torch::kLong);

  const auto plan =
      starling::plan({.batch_size = 64, .clip_norm = 1.0, .noise_multiplier = 1.0}, 512);
  const auto key = starling::RandomKey::from_system();
  starling::PrivacyLedger ledger;
  starling::DpOptimizer dp(*model, sgd, plan, ledger, key);
  starling::BatchSampler batches(plan.sampling, 512, plan.batch_size, plan.sample_rate, {key});

  for (int step = 0; step < 100; ++step) {
    const auto batch = torch::tensor(batches.batch(step), torch::kLong);
    dp.backward(torch::nn::functional::cross_entropy(
        model->forward(features.index_select(0, batch)), labels.index_select(0, batch),
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone)));
    dp.step();
  }

  const auto spent = ledger.events_of(starling::Unit::example, 0);
  const auto bound =
      starling::make_accountant("exact")->epsilon(spent.events, spent.relation, 1e-4);
  const double accuracy =
      model->forward(features).argmax(1).eq(labels).to(torch::kFloat).mean().item<double>();
  std::printf("accuracy %.2f at epsilon %.2f\n", accuracy, bound.epsilon);
  return accuracy > 0.7 && bound.epsilon > 0 ? 0 : 1;
}
