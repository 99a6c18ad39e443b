// The strategy and what surrounds a round, as the file says them.

#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

template <class Value>
Json optional(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// {"kind": ...}, then the fields.
template <class Spec>
Json start(const Spec& spec) {
  return Json::object({{"kind", to_string(spec)}});
}

struct Fields {
  Json& json;

  void weights(Weighting value) { json["weights"] = word(kWeightings, value); }
  template <class Spec>
  void averaged(const Spec& s) {
    weights(s.weights);
    json["server_learning_rate"] = s.server_learning_rate;
  }
  template <class Spec>
  void distilling(const Spec& s) {
    weights(s.weights);
    json["temperature"] = s.temperature;
    json["distillation"] = {{"public_examples", s.distillation.public_examples},
                            {"examples_per_round", optional(s.distillation.examples_per_round)},
                            {"epochs", s.distillation.epochs},
                            {"batch_size", s.distillation.batch_size},
                            {"learning_rate", s.distillation.learning_rate}};
  }
  template <class Spec>
  void adaptive(const Spec& s) {
    averaged(s);
    json["beta_1"] = s.beta_1;
    json["tau"] = s.tau;
  }

  void operator()(const FedAvgSpec& s) { averaged(s); }
  void operator()(const FedAvgMSpec& s) { averaged(s), json["momentum"] = s.momentum; }
  void operator()(const FedProxSpec& s) { weights(s.weights), json["mu"] = s.mu; }
  void operator()(const ScaffoldSpec& s) { averaged(s); }
  void operator()(const FedNovaSpec& s) { averaged(s); }
  void operator()(const FedAdagradSpec& s) { adaptive(s); }
  void operator()(const FedAdamSpec& s) { adaptive(s), json["beta_2"] = s.beta_2; }
  void operator()(const FedYogiSpec& s) { adaptive(s), json["beta_2"] = s.beta_2; }
  void operator()(const FedDynSpec& s) { weights(s.weights), json["alpha"] = s.alpha; }
  void operator()(const QFedAvgSpec& s) { json["q"] = s.q; }
  void operator()(const FedBnSpec& s) { weights(s.weights); }
  void operator()(const FedPerSpec& s) { weights(s.weights), json["personal"] = s.personal; }
  void operator()(const DittoSpec& s) { weights(s.weights), json["lambda"] = s.lambda; }
  void operator()(const FedSgdSpec& s) {
    averaged(s);
    json["noise_by"] = word(kNoiseBy, s.noise_by);
  }
  void operator()(const FedBuffSpec& s) {
    json["server_learning_rate"] = s.server_learning_rate;
    json["buffer_size"] = s.buffer_size;
    json["max_staleness"] = s.max_staleness;
    json["concurrency"] = s.concurrency;
  }
  void operator()(const FedDfSpec& s) { distilling(s); }
  void operator()(const DsFlSpec& s) { distilling(s); }
  void operator()(const FedMdSpec& s) {
    distilling(s);
    json["pretraining_epochs"] = s.pretraining_epochs;
  }

  void operator()(const MeanAggregation&) {}
  void operator()(const MedianAggregation&) {}
  void operator()(const TrimmedMeanAggregation& a) { json["beta"] = a.beta; }
  void operator()(const KrumAggregation& a) { json["malicious_clients"] = a.malicious_clients; }
  void operator()(const MultiKrumAggregation& a) {
    json["malicious_clients"] = a.malicious_clients;
    json["clients_to_keep"] = a.clients_to_keep;
  }
  void operator()(const BulyanAggregation& a) { json["malicious_clients"] = a.malicious_clients; }
  void operator()(const GeometricMedianAggregation& a) {
    json["iterations"] = a.iterations;
    json["smoothing"] = a.smoothing;
  }
  void operator()(const NormBoundAggregation& a) { json["bound"] = a.bound; }
  void operator()(const FlTrustAggregation& a) { json["root_examples"] = a.root_examples; }

  void operator()(const NoAttack&) {}
  void operator()(const LabelFlipAttack& a) {
    json["clients"] = a.clients;
    json["from"] = optional(a.from);
    json["to"] = optional(a.to);
  }
  void operator()(const SignFlipAttack& a) {
    json["clients"] = a.clients;
    json["scale"] = a.scale;
  }
  void operator()(const GaussianAttack& a) {
    json["clients"] = a.clients;
    json["std"] = a.std;
  }
  void operator()(const BackdoorAttack& a) {
    json["clients"] = a.clients;
    json["target"] = a.target;
    json["size"] = a.size;
    json["value"] = a.value;
    json["poisoned"] = a.poisoned;
    json["scale"] = a.scale;
  }

  void operator()(const NoCompression&) {}
  void operator()(const QuantizeCompression& c) {
    json["bits"] = c.bits;
    json["error_feedback"] = c.error_feedback;
  }
  void operator()(const TopKCompression& c) {
    json["fraction"] = c.fraction;
    json["error_feedback"] = c.error_feedback;
  }
  void operator()(const RandomKCompression& c) {
    json["fraction"] = c.fraction;
    json["error_feedback"] = c.error_feedback;
  }
  void operator()(const Float16Compression&) {}
};

template <class Spec>
Json with_kind(const Spec& spec) {
  Json json = start(spec);
  std::visit(Fields{json}, spec);
  return json;
}

struct Stragglers {
  Json operator()(const NoStragglers&) const { return Json::object({{"kind", "none"}}); }
  Json operator()(const LognormalStragglers& s) const {
    return Json::object({{"kind", "lognormal"}, {"sigma", s.sigma}});
  }
  Json operator()(const SlowStragglers& s) const {
    return Json::object({{"kind", "slow"}, {"fraction", s.fraction}, {"slowdown", s.slowdown}});
  }
};

}  // namespace

Json written(const StrategySpec& strategy) { return with_kind(strategy); }
Json written(const RobustSpec& aggregation) { return with_kind(aggregation); }
Json written(const AttackSpec& attack) { return with_kind(attack); }
Json written(const CommunicationSpec& communication) { return with_kind(communication); }

Json written(const WorldSpec& w) {
  return Json::object({{"availability", w.availability},
                       {"dropout", w.dropout},
                       {"stragglers", std::visit(Stragglers{}, w.stragglers)},
                       {"deadline", optional(w.deadline)},
                       {"over_selection", w.over_selection},
                       {"minimum_clients", w.minimum_clients}});
}

}  // namespace starling::experiment
