#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

// The index of the alternative in StrategySpec.
const Words<size_t> kStrategies = [] {
  Words<size_t> words;
  [&]<size_t... i>(std::index_sequence<i...>) {
    (words.emplace_back(to_string(StrategySpec(std::in_place_index<i>)), i), ...);
  }
  (std::make_index_sequence<std::variant_size_v<StrategySpec>>());
  return words;
}();

StrategySpec of_kind(size_t kind) {
  StrategySpec spec;
  [&]<size_t... i>(std::index_sequence<i...>) {
    ((i == kind ? void(spec.emplace<i>()) : void()), ...);
  }
  (std::make_index_sequence<std::variant_size_v<StrategySpec>>());
  return spec;
}

// Reads the fields of each alternative over its defaults.
struct Reader {
  JsonObject& object;

  void weights(Weighting& value) { value = object.choice("weights", kWeightings, value); }
  void rate(double& value) { value = object.number("server_learning_rate", kPositive, value); }
  void number(const char* key, Interval allowed, double& value) {
    value = object.number(key, allowed, value);
  }
  void count(const char* key, int64_t low, int64_t& value) {
    value = object.integer(key, low, kMany, value);
  }

  void operator()(FedAvgSpec& s) { weights(s.weights), rate(s.server_learning_rate); }
  void operator()(FedAvgMSpec& s) {
    weights(s.weights), rate(s.server_learning_rate);
    number("momentum", kUnitClosedOpen, s.momentum);
  }
  void operator()(FedProxSpec& s) { weights(s.weights), number("mu", kNonNegative, s.mu); }
  void operator()(ScaffoldSpec& s) { weights(s.weights), rate(s.server_learning_rate); }
  void operator()(FedNovaSpec& s) { weights(s.weights), rate(s.server_learning_rate); }
  void operator()(FedAdagradSpec& s) { adaptive(s); }
  void operator()(FedAdamSpec& s) { adaptive(s), number("beta_2", kUnitClosedOpen, s.beta_2); }
  void operator()(FedYogiSpec& s) { adaptive(s), number("beta_2", kUnitClosedOpen, s.beta_2); }
  void operator()(FedDynSpec& s) { weights(s.weights), number("alpha", kPositive, s.alpha); }
  void operator()(QFedAvgSpec& s) { number("q", kNonNegative, s.q); }
  void operator()(FedBnSpec& s) { weights(s.weights); }
  void operator()(FedPerSpec& s) {
    weights(s.weights);
    s.personal = object.strings("personal");
    if (s.personal.empty())
      object.fail("personal",
                  "is empty; name the layers that stay at the client, such as the last");
    for (size_t i = 0; i < s.personal.size(); ++i)
      if (s.personal[i].empty())
        object.fail("personal", "holds an empty name at " + std::to_string(i));
  }
  void operator()(DittoSpec& s) { weights(s.weights), number("lambda", kNonNegative, s.lambda); }
  void operator()(FedSgdSpec& s) {
    weights(s.weights), rate(s.server_learning_rate);
    s.noise_by = object.choice("noise_by", kNoiseBy, s.noise_by);
  }
  void operator()(FedBuffSpec& s) {
    rate(s.server_learning_rate);
    count("buffer_size", 1, s.buffer_size);
    count("max_staleness", 0, s.max_staleness);
    count("concurrency", 1, s.concurrency);
  }
  void operator()(FedDfSpec& s) { distilling(s); }
  void operator()(DsFlSpec& s) { distilling(s); }
  void operator()(FedMdSpec& s) {
    distilling(s);
    count("pretraining_epochs", 0, s.pretraining_epochs);
  }

  template <class Spec>
  void distilling(Spec& s) {
    weights(s.weights), number("temperature", kPositive, s.temperature);
    JsonObject inner = object.object_or_empty("distillation");
    Reader reader{inner};
    reader.count("public_examples", 1, s.distillation.public_examples);
    s.distillation.examples_per_round = inner.optional_integer("examples_per_round", 1, kMany);
    reader.count("epochs", 1, s.distillation.epochs);
    reader.count("batch_size", 1, s.distillation.batch_size);
    reader.number("learning_rate", kPositive, s.distillation.learning_rate);
    inner.finish();
  }

  template <class Spec>
  void adaptive(Spec& s) {
    weights(s.weights), rate(s.server_learning_rate);
    number("beta_1", kUnitClosedOpen, s.beta_1), number("tau", kPositive, s.tau);
  }
};

}  // namespace

StrategySpec parse_strategy(JsonObject object) {
  StrategySpec strategy = of_kind(object.choice("kind", kStrategies, size_t{0}));
  std::visit(Reader{object}, strategy);
  object.finish();
  return strategy;
}

}  // namespace starling::experiment
