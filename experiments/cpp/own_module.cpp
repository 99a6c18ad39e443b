// A module of one's own, with LibTorch's LSTM and attention over its outputs, trained by DP-SGD.
#include <starling/privacy/accountant.h>
#include <starling/train/dp_optimizer.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>

namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

constexpr int64_t kExamples = 2000, kSteps = 12, kFeatures = 4;

// [B, kSteps, kFeatures] -> [B, 2]. Plain LibTorch: nothing in it knows of privacy.
class SequenceClassifierImpl : public nn::Module {
 public:
  SequenceClassifierImpl() {
    register_module("lstm", lstm_);
    register_module("score", score_);
    register_module("head", head_);
  }
  torch::Tensor forward(const torch::Tensor& input) {
    const auto outputs = std::get<0>(lstm_->forward(input));           // [B, kSteps, 16]
    const auto weights = torch::softmax(score_->forward(outputs), 1);  // [B, kSteps, 1]
    return head_->forward((weights * outputs).sum(1));
  }

 private:
  nn::LSTM lstm_{nn::LSTMOptions(kFeatures, 16).batch_first(true)};
  nn::Linear score_{16, 1};
  nn::Linear head_{16, 2};
};
TORCH_MODULE(SequenceClassifier);

// Noise, and a step that is marked by the second feature and whose first feature gives the label.
struct Sequences {
  torch::Tensor features, labels;
};
Sequences draw(int64_t examples) {
  auto features = 0.3 * torch::randn({examples, kSteps, kFeatures});
  const auto labels = torch::randint(2, {examples}, torch::kLong);
  const auto rows = torch::arange(examples), marked = torch::randint(kSteps, {examples});
  features.index_put_({rows, marked, 0}, 2.0 * labels.to(torch::kFloat) - 1.0);
  features.index_put_({rows, marked, 1}, 2.0);
  return {features, labels};
}

}  // namespace

int main() {
  torch::manual_seed(1);
  SequenceClassifier model;
  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(0.02));
  const auto training = draw(kExamples), test = draw(1000);

  const auto plan =
      starling::plan({.batch_size = 128, .clip_norm = 1.0, .noise_multiplier = 1.0}, kExamples);
  const auto key = starling::RandomKey::from_system();
  starling::PrivacyLedger ledger;
  starling::DpOptimizer dp(*model, adam, plan, ledger, key);
  starling::BatchSampler batches(plan.sampling, kExamples, plan.batch_size, plan.sample_rate,
                                 {key});
  for (int step = 0; step < 150; ++step) {
    const auto batch = torch::tensor(batches.batch(step), torch::kLong);
    const auto logits = model->forward(training.features.index_select(0, batch));
    dp.backward(F::cross_entropy(logits, training.labels.index_select(0, batch),
                                 F::CrossEntropyFuncOptions().reduction(torch::kNone)));
    dp.step();
  }

  const auto spent = ledger.events_of(starling::Unit::example, 0);
  const double epsilon =
      starling::make_accountant("exact")->epsilon(spent.events, spent.relation, 1e-5).epsilon;
  torch::NoGradGuard no_grad;
  const double accuracy = model->forward(test.features)
                              .argmax(1)
                              .eq(test.labels)
                              .to(torch::kFloat)
                              .mean()
                              .item<double>();
  std::printf("accuracy %.3f at epsilon %.2f, delta 1e-5\n", accuracy, epsilon);
  return accuracy > 0.9 && std::isfinite(epsilon) && epsilon > 0.0 ? 0 : 1;
}
