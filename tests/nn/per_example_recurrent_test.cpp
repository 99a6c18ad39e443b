// Recurrent layers as they are, against one example at a time.

#include "nn/graph/lstm_node.h"
#include "nn/per_example_layers.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

template <class Recurrent>
Subject recurrent(Recurrent layer, int64_t length, int64_t width, bool batch_first) {
  auto subject = subject_of(nn::Sequential(nn::Linear(1, 1)), {length, width});
  layer->to(test_device(), torch::kFloat64);
  subject.parameters = parameters_of(layer);
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    if (batch_first) return loss_of(std::get<0>(layer->forward(inputs)));
    return loss_of(std::get<0>(layer->forward(inputs.transpose(0, 1))).transpose(0, 1));
  };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Gru) {
  expect_one_at_a_time(recurrent(nn::GRU(nn::GRUOptions(3, 4)), 5, 3, false), "gru");
  expect_one_at_a_time(
      recurrent(nn::GRU(nn::GRUOptions(3, 2).num_layers(2).bidirectional(true).batch_first(true)),
                3, 3, true),
      "gru deep");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Rnn) {
  expect_one_at_a_time(recurrent(nn::RNN(nn::RNNOptions(3, 4)), 5, 3, false), "rnn");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Lstm) {
  expect_one_at_a_time(recurrent(nn::LSTM(nn::LSTMOptions(3, 4).batch_first(true)), 5, 3, true),
                       "lstm");
  expect_one_at_a_time(
      recurrent(nn::LSTM(nn::LSTMOptions(3, 2).num_layers(2).bidirectional(true)), 3, 3, false),
      "lstm deep");
  expect_one_at_a_time(recurrent(nn::LSTM(nn::LSTMOptions(3, 4).proj_size(2)), 3, 3, false),
                       "lstm projected");
}

// The native layer of the CPU, which exists in single precision only.
template <class Recurrent>
void expect_native(Recurrent layer, int64_t length, int64_t width, bool last_only) {
  const bool batch_first = layer->options.batch_first();
  layer->to(test_device());
  Subject subject;
  subject.parameters = parameters_of(layer);
  subject.inputs = [=](int64_t batch) { return normal({batch, length, width}, torch::kFloat32); };
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    const auto [values, state] = layer->forward(batch_first ? inputs : inputs.transpose(0, 1));
    const auto output = batch_first ? values : values.transpose(0, 1);
    const auto used = last_only ? output.slice(1, -1) : output;
    const auto& cell = std::get<1>(state);
    return loss_of(used) + (last_only ? 0 : 1) * cell.transpose(0, 1).sum({1, 2});
  };
  PerExampleGradients engine(subject.parameters);
  engine.backward(subject.losses(subject.inputs(3)), Clipping());
  const bool has_rule = engine.without_rule().empty();
  EXPECT_TRUE(has_rule || !test_device().is_cpu());
  expect_one_at_a_time(subject, "native", 2e-5);
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_NativeLstm) {
  expect_native(nn::LSTM(nn::LSTMOptions(3, 8)), 5, 3, false);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 11)), 4, 3, true);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 8).batch_first(true)), 3, 3, true);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 5).bias(false)), 4, 3, false);
  expect_native(nn::LSTM(nn::LSTMOptions(3, 5).num_layers(2).bidirectional(true)), 4, 3, false);
}

// The gates' gradient of one native layer, with `gates` offered as what its workspace holds.
torch::Tensor gate_gradients(nn::LSTM& lstm, const torch::Tensor& inputs,
                             const torch::Tensor& outputs, const torch::Tensor& root,
                             const torch::Tensor& gates) {
  const auto named = lstm->named_parameters();
  graph::LstmNode::Saved saved;
  saved.input = inputs;
  saved.output = outputs.detach();
  saved.hidden = saved.cell = torch::zeros({inputs.size(1), outputs.size(2)});
  saved.w_ih = named["weight_ih_l0"].detach();
  saved.w_hh = named["weight_hh_l0"].detach();
  saved.bias = (named["bias_ih_l0"] + named["bias_hh_l0"]).detach();
  saved.gates = gates;
  return c10::make_intrusive<graph::LstmNode>(std::move(saved))
      ->gate_gradients({root, torch::Tensor(), torch::Tensor()});
}

TEST_F(PerExampleLayers, GatesThatDoNotExplainTheOutputsAreComputedAgain) {
  nn::LSTM lstm(nn::LSTMOptions(3, 8));
  const auto inputs = torch::randn({5, 4, 3});
  const auto outputs = std::get<0>(lstm->forward(inputs));
  const auto root = torch::randn_like(outputs);
  const auto expected =
      torch::autograd::grad({outputs}, {lstm->named_parameters()["weight_ih_l0"]}, {root})[0];
  const auto computed = gate_gradients(lstm, inputs, outputs, root, {});
  const auto weight = computed.flatten(0, 1).t().mm(inputs.flatten(0, 1));
  EXPECT_TRUE(torch::allclose(weight, expected, 1e-4, 1e-5));
  for (const auto& wrong : {torch::rand({5, 4, 32}), torch::full({5, 4, 32}, NAN)}) {
    EXPECT_TRUE(torch::equal(gate_gradients(lstm, inputs, outputs, root, wrong), computed));
  }
}

// Rows of a packed sequence belong to examples in an order that no axis describes. The length of an
// example is its first value.
Subject packed_sequences() {
  nn::GRU gru(nn::GRUOptions(3, 4));
  auto subject = subject_of(nn::Sequential(nn::Linear(1, 1)), {5, 3});
  gru->to(test_device(), torch::kFloat64);
  subject.parameters = parameters_of(gru);
  subject.losses = [=](const torch::Tensor& inputs) mutable {
    const auto lengths =
        inputs.select(1, 0).select(1, 0).abs().remainder(5).to(torch::kInt64).cpu() + 1;
    const auto packed = nn::utils::rnn::pack_padded_sequence(inputs, lengths, /*batch_first=*/true,
                                                             /*enforce_sorted=*/false);
    const auto output = std::get<0>(gru->forward_with_packed_input(packed));
    return loss_of(std::get<0>(nn::utils::rnn::pad_packed_sequence(output, true, 0.0, 5)));
  };
  return subject;
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PackedSequence) {
  auto subject = packed_sequences();
  subject.inputs = [](int64_t batch) { return 3 * normal({batch, 5, 3}); };
  expect_one_at_a_time(subject, "packed");
}

// What is known of one batch's rows does not hold for the next, although both have as many rows as
// a multiple of the batch and the same graph.
TEST_F(PerExampleLayers, MatchesOneExampleAtATime_PackedSequenceAfterOneOfEqualLengths) {
  const auto subject = packed_sequences();
  auto inputs = normal({4, 5, 3});
  for (const auto& lengths :
       std::vector<std::vector<double>>{{4, 4, 4, 4}, {4, 3, 1, 4}, {1, 4, 4, 3}}) {
    for (int64_t b = 0; b < 4; ++b) inputs[b][0][0] = lengths[b];
    const Clipping clipping;
    expect_same(subject, clipped_sums(subject, inputs, clipping),
                one_example_at_a_time(subject, inputs, clipping), "packed");
  }
}

}  // namespace
}  // namespace starling::testing
