// Local training without autograd agrees with a stock LibTorch loop.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "starling/nn/state.h"
#include "starling/train/correction.h"
#include "starling/train/optimizer.h"
#include "starling/train/trainer.h"
#include "train/fused_kernels.h"
#include "train/fused_network.h"

namespace starling {
namespace {

namespace nn = torch::nn;

constexpr double kRelative = 2e-4, kAbsolute = 2e-5;  // after some steps in single precision

StreamOwner owner() { return {RandomKey::from_seed(1), 0, 0}; }

LocalPlan plan_of(OptimizerSpec optimizer, int64_t batch, int64_t steps = 7) {
  LocalPlan plan;
  plan.steps = steps;
  plan.batch_size = batch;
  plan.optimizer = optimizer;
  plan.learning_rate_factor = 0.5;
  return plan;
}

Examples examples_of(std::vector<int64_t> shape, int64_t classes) {
  torch::manual_seed(4);
  return {torch::randn(shape), torch::randint(classes, {shape[0]})};
}

// The loop that a LibTorch user writes, over the same batches. Returns the sum of the losses.
double reference(Model& model, const Examples& data, const LocalPlan& plan) {
  const auto optimizer =
      corrected(make_optimizer(plan.optimizer, model.parameters(), plan.learning_rate_factor),
                plan.correction);
  BatchSampler sampler(plan.sampling, data.size(), plan.batch_size, 0, owner());
  double loss_sum = 0.0;
  for (int64_t step = 0; step < plan.steps; ++step) {
    const auto batch = data.at(sampler.batch(step));
    optimizer->zero_grad();
    const auto loss = nn::functional::cross_entropy(model.forward(batch.features), batch.labels);
    loss.backward();
    optimizer->step();
    loss_sum += loss.item<double>() * static_cast<double>(batch.size());
  }
  return loss_sum;
}

void expect_close(const StateDict& ours, const StateDict& theirs, const std::string& what) {
  for (size_t i = 0; i < ours.tensors.size(); ++i)
    EXPECT_TRUE(
        torch::allclose(ours.tensors[i].value, theirs.tensors[i].value, kRelative, kAbsolute))
        << what << ": " << ours.tensors[i].name << " differs by "
        << (ours.tensors[i].value - theirs.tensors[i].value).abs().max();
}

void expect_matches_autograd(const std::function<std::shared_ptr<Model>()>& make,
                             const Examples& data, const LocalPlan& plan, const std::string& what) {
  torch::manual_seed(3);
  const auto ours = make();
  torch::manual_seed(3);
  const auto theirs = make();
  ASSERT_NE(fused::network_for(*ours, data, plan), nullptr) << what;
  const double loss = reference(*theirs, data, plan);
  const auto metrics = train(*ours, data, plan, owner());
  expect_close(state_of(*ours), state_of(*theirs), what);
  EXPECT_NEAR(metrics.loss_sum, loss, 1e-3 * std::abs(loss)) << what;
}

std::shared_ptr<Model> dense_model(int64_t inputs, int64_t hidden, int64_t classes) {
  return as_model(nn::Sequential(nn::Flatten(), nn::Linear(inputs, hidden), nn::ReLU(),
                                 nn::Linear(hidden, hidden), nn::Tanh(),
                                 nn::Linear(nn::LinearOptions(hidden, hidden + 1).bias(false)),
                                 nn::Sigmoid(), nn::Linear(hidden + 1, classes)));
}

const std::vector<std::pair<std::string, OptimizerSpec>> kOptimizers = {
    {"sgd", SgdSpec{.learning_rate = 0.5}},
    {"sgd with decay", SgdSpec{.learning_rate = 0.5, .weight_decay = 0.1}},
    {"sgd with momentum", SgdSpec{.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.2}},
    {"nesterov",
     SgdSpec{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true}},
    {"adam", AdamSpec{.learning_rate = 1e-2}},
    {"adamw", AdamWSpec{.learning_rate = 1e-2}},
    {"rmsprop", RmspropSpec{}},
    {"adagrad", AdagradSpec{}},
};

TEST(FusedTraining, MatchesAutograd_EveryOptimizer) {
  const auto data = examples_of({23, 3, 7}, 4);
  for (const auto& [name, optimizer] : kOptimizers)
    expect_matches_autograd([] { return dense_model(21, 17, 4); }, data, plan_of(optimizer, 6),
                            name);
}

TEST(FusedTraining, MatchesAutograd_CorrectionsOfStrategies) {
  const auto data = examples_of({23, 21}, 4);
  auto correction = std::make_shared<GradientCorrection>();
  correction->proximal = 0.7;
  for (const auto& parameter : dense_model(21, 17, 4)->parameters()) {
    correction->center.push_back(torch::randn(parameter.sizes()));
    correction->offset.push_back(0.1 * torch::randn(parameter.sizes()));
  }
  auto plan = plan_of(SgdSpec{.learning_rate = 0.5}, 6);
  plan.correction = correction;
  expect_matches_autograd([] { return dense_model(21, 17, 4); }, data, plan, "correction");
}

TEST(FusedTraining, MatchesAutograd_EveryBatchSize) {
  const auto data = examples_of({37, 50}, 3);
  for (int64_t batch = 1; batch <= 37; ++batch)
    expect_matches_autograd([] { return dense_model(50, 33, 3); }, data,
                            plan_of(SgdSpec{.learning_rate = 0.3}, batch, 9),
                            "batches of " + std::to_string(batch));
}

// The gradients that autograd finds for one example.
std::vector<torch::Tensor> gradients_of(Model& model, const Examples& data, int64_t index) {
  const auto loss = example_losses(model, data.at({index}));
  return torch::autograd::grad({loss.sum()}, model.parameters());
}

TEST(FusedTraining, MatchesAutograd_OneExampleAtATime) {
  const auto data = examples_of({9, 2, 12, 12}, 3);
  const auto model =
      as_model(nn::Sequential(nn::Conv2d(2, 5, 3), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(),
                              nn::Linear(125, 11), nn::Tanh(), nn::Linear(11, 3)));
  const auto gradient = fused::example_gradient_for(*model, data);
  ASSERT_NE(gradient, nullptr);
  gradient->compute(8);
  const auto last = gradient->gradients().front().clone();
  for (int64_t index = 0; index < data.size(); ++index) {
    const double loss = gradient->compute(index);
    const auto expected = gradients_of(*model, data, index);
    ASSERT_EQ(gradient->gradients().size(), expected.size());
    for (size_t p = 0; p < expected.size(); ++p)
      EXPECT_TRUE(torch::allclose(gradient->gradients()[p], expected[p], kRelative, kAbsolute))
          << index << " " << p;
    EXPECT_NEAR(loss, example_losses(*model, data.at({index})).item<double>(), 1e-4);
  }
  EXPECT_TRUE(torch::equal(gradient->gradients().front(), last)) << "whatever came before it";
}

TEST(FusedTraining, LeavesToAutogradWhatIsNoClass) {
  auto data = examples_of({9, 6}, 2);
  data.labels = torch::randn({9});
  const auto model = as_model(nn::Sequential(nn::Linear(6, 1)));
  EXPECT_EQ(fused::example_gradient_for(*model, data), nullptr);
}

TEST(FusedTraining, MatchesAutograd_RandomWidths) {
  torch::manual_seed(11);
  for (int trial = 0; trial < 40; ++trial) {
    const auto width = [](int64_t most) { return torch::randint(1, most, {1}).item<int64_t>(); };
    const int64_t inputs = width(90), hidden = width(70), classes = width(20) + 1;
    const auto data = examples_of({13, inputs}, classes);
    expect_matches_autograd(
        [&] { return dense_model(inputs, hidden, classes); }, data,
        plan_of(SgdSpec{.learning_rate = 0.3}, 5),
        std::to_string(inputs) + " " + std::to_string(hidden) + " " + std::to_string(classes));
  }
}

TEST(FusedTraining, MatchesAutograd_ModelsFromJsonAndFixedBatches) {
  const auto factory = model_from_json(
      parse_json(R"({"layers": [{"kind": "sequential", "layers": [{"kind": "flatten"},
        {"kind": "linear", "out_features": 20}]}, {"kind": "relu"}, {"kind": "relu"},
        {"kind": "linear"}]})",
                 "test"),
      "test", {1, 5, 5}, 6);
  auto plan = plan_of(SgdSpec{.learning_rate = 0.3}, 4);
  plan.sampling = SamplingKind::fixed;
  expect_matches_autograd(factory, examples_of({11, 1, 5, 5}, 6), plan, "json");
}

int64_t between(int64_t low, int64_t high) {
  return torch::randint(low, high + 1, {1}).item<int64_t>();
}

// Two convolutions with a pool, all of random geometry.
struct RandomImages {
  std::function<std::shared_ptr<Model>()> make;
  std::vector<int64_t> shape;
  std::string what;
};

RandomImages random_images() {
  const int64_t channels = between(1, 3), hidden = between(1, 20), outputs = between(1, 40);
  const std::vector<int64_t> kernel{between(1, 5), between(1, 5)};
  const std::vector<int64_t> padding{between(0, kernel[0] - 1), between(0, kernel[1] - 1)};
  const std::vector<int64_t> stride{between(1, 3), between(1, 3)};
  const int64_t window = between(1, 3), step = between(1, 3), second = between(1, 3);
  const std::vector<int64_t> shape{13, channels, between(11, 19), between(11, 19)};
  const auto layers = [=](bool flat, int64_t width) {
    nn::Sequential model(
        nn::Conv2d(nn::Conv2dOptions(channels, hidden, 3).padding(1)), nn::ReLU(),
        nn::Conv2d(nn::Conv2dOptions(hidden, outputs, {kernel[0], kernel[1]})
                       .stride({stride[0], stride[1]})
                       .padding({padding[0], padding[1]})),
        nn::Tanh(), nn::MaxPool2d(nn::MaxPool2dOptions(window).stride(step).padding(window / 2)),
        nn::Conv2d(nn::Conv2dOptions(outputs, 5, second).padding(second - 1).bias(false)));
    if (flat) model->push_back(nn::Flatten());
    if (flat) model->push_back(nn::Linear(width, 4));
    return model;
  };
  auto probe = layers(false, 0);
  const int64_t width = probe->forward(torch::zeros(shape)).flatten(1).size(1);
  std::ostringstream what;
  what << shape << " " << hidden << " " << outputs << " kernel " << kernel << " stride " << stride
       << " padding " << padding << " pool " << window << " " << step << " then " << second;
  return {[=] { return as_model(layers(true, width)); }, shape, what.str()};
}

TEST(FusedTraining, MatchesAutograd_RandomImages) {
  for (int trial = 0; trial < 40; ++trial) {
    torch::manual_seed(100 + trial);
    const auto images = random_images();
    expect_matches_autograd(images.make, examples_of(images.shape, 4),
                            plan_of(SgdSpec{.learning_rate = 0.1}, 5), images.what);
  }
}

TEST(FusedTraining, MatchesAutograd_McMahansCnnWithMomentum) {
  const auto make = [] {
    return as_model(nn::Sequential(
        nn::Conv2d(nn::Conv2dOptions(1, 32, 5).padding(2)), nn::ReLU(), nn::MaxPool2d(2),
        nn::Conv2d(nn::Conv2dOptions(32, 64, 5).padding(2)), nn::ReLU(), nn::MaxPool2d(2),
        nn::Flatten(), nn::Linear(3136, 512), nn::ReLU(), nn::Linear(512, 10)));
  };
  expect_matches_autograd(make, examples_of({13, 1, 28, 28}, 10),
                          plan_of(SgdSpec{.learning_rate = 0.05, .momentum = 0.5}, 10, 4), "cnn");
}

TEST(FusedTraining, GivesTheSameBitsOnAnyThread) {
  const auto data = examples_of({40, 30}, 5);
  std::vector<StateDict> states(4);
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<Model>> models;
  for (size_t i = 0; i < states.size(); ++i) {
    torch::manual_seed(3);
    models.push_back(dense_model(30, 25, 5));
  }
  for (size_t i = 0; i < states.size(); ++i)
    threads.emplace_back([&, i] {
      train(*models[i], data, plan_of(SgdSpec{.learning_rate = 0.3}, 10, 30), owner());
      states[i] = state_of(*models[i]);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& state : states)
    for (size_t i = 0; i < state.tensors.size(); ++i)
      EXPECT_TRUE(torch::equal(state.tensors[i].value, states[0].tensors[i].value));
}

TEST(FusedTraining, LetsAutogradSeeTheTrainedWeights) {
  const auto data = examples_of({20, 30}, 5);
  const auto model = dense_model(30, 25, 5);
  const double before = evaluate(*model, data, 10).loss();
  train(*model, data, plan_of(SgdSpec{.learning_rate = 0.5}, 10, 100), owner());
  EXPECT_LT(evaluate(*model, data, 10).loss(), 0.7 * before);
  for (const auto& parameter : model->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

TEST(FusedTraining, PassesOnWhatIsNotFinite) {
  auto data = examples_of({20, 30}, 5);
  data.features[3][2] = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [name, optimizer] : kOptimizers) {
    const auto model = dense_model(30, 25, 5);
    train(*model, data, plan_of(optimizer, 20, 1), owner());
    EXPECT_FALSE(all_finite(state_of(*model))) << name;
  }
}

class OtherLinear final : public nn::LinearImpl {
 public:
  using nn::LinearImpl::LinearImpl;
};

TEST(FusedTraining, LeavesEverythingElseToAutograd) {
  const auto data = examples_of({20, 30}, 5);
  const auto plan = plan_of(SgdSpec{}, 10);
  const auto fits = [&](const std::shared_ptr<Model>& model, const Examples& examples,
                        const LocalPlan& local) {
    return fused::network_for(*model, examples, local) != nullptr;
  };
  const auto model = dense_model(30, 25, 5);
  EXPECT_TRUE(fits(model, data, plan));

  auto other = plan;
  other.batch_size = 65;
  EXPECT_FALSE(fits(model, data, other));
  other = plan;
  other.sampling = SamplingKind::poisson;
  EXPECT_FALSE(fits(model, data, other));
  EXPECT_FALSE(
      fits(model, {data.features, data.labels.index_fill(0, torch::tensor(3), -100)}, plan));
  EXPECT_FALSE(fits(model, {data.features, data.labels.index_fill(0, torch::tensor(3), 5)}, plan));
  EXPECT_FALSE(fits(model, {data.features.to(torch::kDouble), data.labels}, plan));
  EXPECT_FALSE(fits(model, {data.features.t().contiguous().t(), data.labels}, plan));
  EXPECT_FALSE(fits(as_model(nn::Sequential(nn::Linear(30, 5), nn::Dropout())), data, plan));
  EXPECT_FALSE(fits(
      as_model(nn::Sequential(nn::Flatten(nn::FlattenOptions().start_dim(0)), nn::Linear(30, 5))),
      data, plan));
  EXPECT_FALSE(fits(as_model(nn::Sequential(std::make_shared<OtherLinear>(30, 5))), data, plan));
  EXPECT_FALSE(fits(as_model(nn::Linear(30, 5)), data, plan));
  EXPECT_FALSE(fits(as_model(nn::Sequential(nn::Linear(31, 5))), data, plan));
  const Examples images{torch::randn({20, 2, 6, 6}), data.labels};
  const auto image_model = [&](const nn::Conv2dOptions& options) {
    return as_model(nn::Sequential(nn::Conv2d(options), nn::Flatten(), nn::Linear(72, 5)));
  };
  const auto same = nn::Conv2dOptions(2, 2, 3).padding(1);
  EXPECT_TRUE(fits(image_model(same), images, plan));
  EXPECT_FALSE(fits(image_model(nn::Conv2dOptions(same).groups(2)), images, plan));
  EXPECT_FALSE(fits(image_model(nn::Conv2dOptions(same).dilation(2).padding(2)), images, plan));
  EXPECT_FALSE(
      fits(image_model(nn::Conv2dOptions(same).padding_mode(torch::kCircular)), images, plan));
  const nn::Linear shared(30, 30);
  EXPECT_FALSE(fits(as_model(nn::Sequential(shared, shared, nn::Linear(30, 5))), data, plan));
  model->parameters()[0].set_requires_grad(false);
  EXPECT_FALSE(fits(model, data, plan));
}

// Each instruction set's kernels against LibTorch in double precision.
TEST(FusedKernels, MatchLibTorch_EveryInstructionSet) {
  torch::manual_seed(5);
  for (const auto* kernels : fused::runnable_kernels()) {
    for (const int64_t batch : {1, 2, 4, 5, 6, 9, 10, 11, 23}) {
      for (const auto& [inputs, outputs] :
           {std::pair<int64_t, int64_t>{1, 1}, {7, 3}, {16, 2}, {33, 5}, {100, 10}}) {
        const fused::DenseShape shape{batch, inputs, outputs};
        const auto x = torch::randn({batch, inputs}), w = torch::randn({outputs, inputs});
        const auto b = torch::randn({outputs}), g = torch::randn({batch, outputs});
        const auto close = [&](const torch::Tensor& found, const torch::Tensor& expected) {
          EXPECT_TRUE(torch::allclose(found.to(torch::kDouble), expected, 1e-4, 1e-4))
              << batch << " " << inputs << " " << outputs;
        };
        const auto X = x.to(torch::kDouble), W = w.to(torch::kDouble), G = g.to(torch::kDouble);
        auto out = torch::empty({batch, outputs}), back = torch::empty({batch, inputs});
        kernels->dense_forward(x.const_data_ptr<float>(), w.const_data_ptr<float>(),
                               b.const_data_ptr<float>(), shape, out.mutable_data_ptr<float>());
        close(out, X.mm(W.t()) + b);
        kernels->dense_input_gradient(g.const_data_ptr<float>(), w.const_data_ptr<float>(), shape,
                                      back.mutable_data_ptr<float>());
        close(back, G.mm(W));
        auto target = w.clone(), bias = b.clone();
        kernels->dense_update(x.const_data_ptr<float>(), g.const_data_ptr<float>(), shape,
                              {0.5f, -2.0f}, target.mutable_data_ptr<float>());
        close(target, 0.5 * W - 2 * G.t().mm(X));
        kernels->column_update(g.const_data_ptr<float>(), batch, outputs, {0.5f, -2.0f},
                               bias.mutable_data_ptr<float>());
        close(bias, 0.5 * b.to(torch::kDouble) - 2 * G.sum(0));
        target.fill_(std::numeric_limits<float>::quiet_NaN());
        kernels->dense_update(x.const_data_ptr<float>(), g.const_data_ptr<float>(), shape,
                              {0.0f, 1.0f}, target.mutable_data_ptr<float>());
        close(target, G.t().mm(X));
      }
    }
  }
}

}  // namespace
}  // namespace starling
