#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace experiment {
namespace {

template <class Value>
Json optional(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json one_or_several(const std::optional<std::vector<double>>& values) {
  if (!values) return nullptr;
  return values->size() == 1 ? Json(values->front()) : Json(*values);
}

Json object(Json::initializer_list_t members) { return Json::object(members); }

struct Writer {
  Json operator()(const IidPartition& p) const {
    return object({{"kind", "iid"}, {"clients", p.clients}});
  }
  Json operator()(const DirichletPartition& p) const {
    return object({{"kind", "dirichlet"},
                   {"clients", p.clients},
                   {"alpha", p.alpha},
                   {"min_size", p.min_size}});
  }
  Json operator()(const InnerDirichletPartition& p) const {
    return object({{"kind", "inner_dirichlet"}, {"clients", p.clients}, {"alpha", p.alpha}});
  }
  Json operator()(const ShardsPartition& p) const {
    return object(
        {{"kind", "shards"}, {"clients", p.clients}, {"shards_per_client", p.shards_per_client}});
  }
  Json operator()(const LabelsPartition& p) const {
    return object(
        {{"kind", "labels"}, {"clients", p.clients}, {"labels_per_client", p.labels_per_client}});
  }
  Json operator()(const QuantityPartition& p) const {
    return object(
        {{"kind", "quantity"}, {"clients", p.clients}, {"law", word(kQuantityLaws, p.law)}});
  }
  Json operator()(const NaturalPartition& p) const {
    return object({{"kind", "natural"}, {"by", p.by}});
  }

  Json operator()(const NoShift&) const { return object({{"kind", "none"}}); }
  Json operator()(const RotationShift& s) const {
    return object({{"kind", "rotation"}, {"degrees", s.degrees}});
  }
  Json operator()(const NoiseShift& s) const {
    return object({{"kind", "noise"}, {"sigma", s.sigma}});
  }

  Json operator()(const PublicStandardization&) const { return object({{"kind", "public"}}); }
  Json operator()(const PrivateStandardization& s) const {
    return object({{"kind", "private"}, {"noise_multiplier", s.noise_multiplier}});
  }

  Json operator()(const FractionParticipation& p) const {
    return object({{"kind", "fraction"}, {"fraction", p.fraction}});
  }
  Json operator()(const PoissonParticipation& p) const {
    return object({{"kind", "poisson"}, {"rate", p.rate}});
  }

  Json operator()(const SgdSpec& o) const {
    return object({{"kind", "sgd"},
                   {"learning_rate", o.learning_rate},
                   {"momentum", o.momentum},
                   {"dampening", o.dampening},
                   {"weight_decay", o.weight_decay},
                   {"nesterov", o.nesterov}});
  }
  Json operator()(const AdamSpec& o) const { return adam("adam", o); }
  Json operator()(const AdamWSpec& o) const { return adam("adamw", o); }
  Json operator()(const AdamBcSpec& o) const {
    return object({{"kind", "adam_bc"},
                   {"learning_rate", o.learning_rate},
                   {"betas", Json::array({o.betas.first, o.betas.second})},
                   {"floor", o.floor}});
  }
  Json operator()(const RmspropSpec& o) const {
    return object({{"kind", "rmsprop"},
                   {"learning_rate", o.learning_rate},
                   {"alpha", o.alpha},
                   {"eps", o.eps},
                   {"weight_decay", o.weight_decay},
                   {"momentum", o.momentum},
                   {"centered", o.centered}});
  }
  Json operator()(const AdagradSpec& o) const {
    return object({{"kind", "adagrad"},
                   {"learning_rate", o.learning_rate},
                   {"lr_decay", o.lr_decay},
                   {"weight_decay", o.weight_decay},
                   {"initial_accumulator_value", o.initial_accumulator_value},
                   {"eps", o.eps}});
  }

  Json operator()(const ConstantSchedule&) const { return object({{"kind", "constant"}}); }
  Json operator()(const StepSchedule& s) const {
    return object({{"kind", "step"}, {"every", s.every}, {"gamma", s.gamma}});
  }
  Json operator()(const ExponentialSchedule& s) const {
    return object({{"kind", "exponential"}, {"gamma", s.gamma}});
  }
  Json operator()(const CosineSchedule& s) const {
    return object({{"kind", "cosine"}, {"floor", s.floor}});
  }
  Json operator()(const InverseSchedule& s) const {
    return object({{"kind", "inverse"}, {"decay", s.decay}});
  }

  Json operator()(const NoPrivacy&) const { return object({{"unit", "none"}}); }
  Json operator()(const ExamplePrivacy& p) const { return with_unit("example", members(p)); }
  Json operator()(const ClientPrivacy& p) const { return with_unit("client", members(p)); }
  Json operator()(const BothPrivacy& p) const {
    return object(
        {{"unit", "both"}, {"example", members(p.example)}, {"client", members(p.client)}});
  }

 private:
  static Json with_unit(const char* unit, const Json& members) {
    Json json = object({{"unit", unit}});
    json.update(members);
    return json;
  }
  static Json members(const PrivacyTerms& p) {
    return object({{"clip_norm", p.clip_norm},
                   {"noise_multiplier", optional(p.noise_multiplier)},
                   {"epsilon", optional(p.epsilon)},
                   {"delta", optional(p.delta)},
                   {"accountant", p.accountant},
                   {"relation", word(kRelations, p.relation)},
                   {"adversary", word(kAdversaries, p.adversary)},
                   {"clipping", word(kClippingKinds, p.clipping)},
                   {"noise", word(kNoiseKinds, p.noise)},
                   {"insecure_seed", optional(p.insecure_seed)},
                   {"reveal_private_metrics", p.reveal_private_metrics}});
  }
  static Json members(const ClientPrivacy& p) {
    Json json = members(static_cast<const PrivacyTerms&>(p));
    json["release"] = word(kReleases, p.release);
    json["restart_every"] = optional(p.restart_every);
    json["adaptive"] = nullptr;
    if (p.adaptive)
      json["adaptive"] =
          object({{"quantile", p.adaptive->quantile},
                  {"learning_rate", p.adaptive->learning_rate},
                  {"bit_noise_multiplier", optional(p.adaptive->bit_noise_multiplier)}});
    json["weight_cap"] = optional(p.weight_cap);
    return json;
  }
  template <class Spec>
  static Json adam(const char* kind, const Spec& o) {
    return object({{"kind", kind},
                   {"learning_rate", o.learning_rate},
                   {"betas", Json::array({o.betas.first, o.betas.second})},
                   {"eps", o.eps},
                   {"weight_decay", o.weight_decay},
                   {"amsgrad", o.amsgrad}});
  }
};

Json write(const DatasetSpec& d) {
  return object({{"name", d.name},
                 {"train_limit", optional(d.train_limit)},
                 {"test_limit", optional(d.test_limit)},
                 {"mean", one_or_several(d.mean)},
                 {"std", one_or_several(d.std)},
                 {"standardization", std::visit(Writer{}, d.standardization)}});
}

Json write(const ModelSpec& m) {
  Json json = Json::object();
  if (m.file.empty()) {
    json["layers"] = m.layers;
  } else {
    json["file"] = m.file;
  }
  json["initial"] = optional(m.initial);
  json["freeze"] = m.freeze;
  json["replace_batch_norm"] = m.replace_batch_norm;
  return json;
}

Json write(const std::vector<DeviceClass>& devices) {
  Json json = Json::array();
  for (const auto& device : devices)
    json.push_back(object({{"clients", device.clients}, {"model", write(device.model)}}));
  return json;
}

Json write(const LossSpec& l) { return object({{"kind", word(kLossKinds, l.kind)}}); }

Json write(const ParticipationSpec& p) {
  Json json = std::visit(Writer{}, p.kind);
  json["max_participations"] = optional(p.max_participations);
  json["min_separation"] = p.min_separation;
  return json;
}

Json write(const LocalSpec& l) {
  return object({{"epochs", optional(l.epochs)},
                 {"steps", optional(l.steps)},
                 {"batch_size", l.batch_size},
                 {"sample_rate", optional(l.sample_rate)},
                 {"sampling", word(kSamplingKinds, l.sampling)},
                 {"optimizer", std::visit(Writer{}, l.optimizer)},
                 {"schedule", std::visit(Writer{}, l.schedule)}});
}

Json write(const EvaluationSpec& e) {
  return object({{"every", e.every}, {"batch_size", e.batch_size}, {"per_client", e.per_client}});
}

Json write(const ComputeSpec& c) {
  return object({{"threads_per_client", c.threads_per_client},
                 {"device", word(kDevices, c.device)},
                 {"dtype", word(kDTypes, c.dtype)}});
}

Json write(const OutputSpec& o) {
  return object({{"folder", o.folder}, {"keep_checkpoints", o.keep_checkpoints}});
}

}  // namespace
}  // namespace experiment

Json to_json(const Experiment& e) {
  using experiment::write;
  using experiment::Writer;
  return Json::object({{"name", e.name},
                       {"description", e.description},
                       {"seed", e.seed},
                       {"dataset", write(e.dataset)},
                       {"partition", std::visit(Writer{}, e.partition)},
                       {"feature_shift", std::visit(Writer{}, e.feature_shift)},
                       {"model", write(e.model)},
                       {"devices", write(e.devices)},
                       {"loss", write(e.loss)},
                       {"rounds", e.rounds},
                       {"participation", write(e.participation)},
                       {"local", write(e.local)},
                       {"privacy", std::visit(Writer{}, e.privacy)},
                       {"strategy", experiment::written(e.strategy)},
                       {"aggregation", experiment::written(e.aggregation)},
                       {"attack", experiment::written(e.attack)},
                       {"world", experiment::written(e.world)},
                       {"communication", experiment::written(e.communication)},
                       {"evaluation", write(e.evaluation)},
                       {"compute", write(e.compute)},
                       {"output", write(e.output)}});
}

}  // namespace starling
