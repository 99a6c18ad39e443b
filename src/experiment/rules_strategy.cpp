#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/core/error.h"
#include "starling/federated/compatibility.h"

namespace starling::experiment {
namespace {

// What the table is asked with.
struct Protection {
  ProtectedUnit unit = ProtectedUnit::none;
  Adversary adversary = Adversary::server_and_models;
};

struct ProtectionOf {
  Protection operator()(const NoPrivacy&) const { return {}; }
  Protection operator()(const ExamplePrivacy& privacy) const {
    return {ProtectedUnit::example, privacy.adversary};
  }
  Protection operator()(const ClientPrivacy& privacy) const {
    return {ProtectedUnit::client, privacy.adversary};
  }
  Protection operator()(const BothPrivacy& privacy) const {
    return {ProtectedUnit::both, privacy.client.adversary};
  }
};

class Federation {
 public:
  Federation(const Experiment& experiment, const std::string& source)
      : experiment_(experiment),
        source_(source),
        strategy_(to_string(experiment.strategy)),
        protection_(std::visit(ProtectionOf{}, experiment.privacy)),
        sampling_(std::holds_alternative<PoissonParticipation>(experiment.participation.kind)
                      ? CohortSampling::poisson
                      : CohortSampling::fraction) {}

  void check() const {
    check_privacy();
    check_aggregation();
    check_world();
    check_optimizer();
    check_noise_by();
    check_attack();
    check_distillation();
    check_devices();
  }

 private:
  void check_privacy() const {
    const ProtectedUnit unit = protection_.unit;
    refuse("/strategy/kind", strategy_,
           compatible(strategy_, unit, sampling_, protection_.adversary));
    refuse("/aggregation/kind", to_string(experiment_.aggregation),
           compatible(experiment_.aggregation, unit));
    refuse("/communication/kind", to_string(experiment_.communication),
           compatible(experiment_.communication, unit));
    const Verdict world = compatible(experiment_.world, unit, sampling_);
    if (world.refused()) fail("/world", world.reason);
  }

  void check_aggregation() const {
    const Verdict verdict = compatible(strategy_, experiment_.aggregation);
    if (verdict.refused())
      fail("/aggregation/kind",
           "does not go with strategy " + quoted(strategy_) + ": " + verdict.reason);
  }

  void check_world() const {
    const WorldSpec& world = experiment_.world;
    if (world.over_selection != 1.0 && sampling_ == CohortSampling::poisson)
      fail("/world/over_selection",
           "needs participation \"fraction\", which says how many clients are wanted");
    if (!std::holds_alternative<FedBuffSpec>(experiment_.strategy)) return;
    if (world.over_selection != 1.0 || world.minimum_clients != 0 || world.deadline)
      fail("/world",
           "over_selection, minimum_clients and deadline belong to rounds that wait for clients; "
           "strategy \"fedbuff\" does not");
  }

  // Strategies that read gradients back from updates need steps of gradient descent.
  void check_optimizer() const {
    const bool plain = std::holds_alternative<FedSgdSpec>(experiment_.strategy) ||
                       std::holds_alternative<QFedAvgSpec>(experiment_.strategy);
    const bool heavy_ball = std::holds_alternative<ScaffoldSpec>(experiment_.strategy) ||
                            std::holds_alternative<FedNovaSpec>(experiment_.strategy);
    if (!plain && !heavy_ball) return;
    const auto* sgd = std::get_if<SgdSpec>(&experiment_.local.optimizer);
    if (sgd == nullptr)
      fail("/local/optimizer/kind",
           "strategy " + quoted(strategy_) + " reads gradients back from updates; use \"sgd\"");
    if (sgd->nesterov || sgd->dampening != 0.0)
      fail("/local/optimizer",
           "strategy " + quoted(strategy_) + " takes neither nesterov nor dampening");
    if (plain && sgd->momentum != 0.0)
      fail("/local/optimizer/momentum", "strategy " + quoted(strategy_) + " needs momentum 0");
    if (sgd->momentum >= 1.0)
      fail("/local/optimizer/momentum",
           "strategy " + quoted(strategy_) + " needs momentum below 1");
    if (std::holds_alternative<FedSgdSpec>(experiment_.strategy) && experiment_.local.steps != 1)
      fail("/local/steps",
           "strategy \"fedsgd\" takes one step a round; set steps to 1, and batch_size to the "
           "largest client's examples for full gradients");
  }

  // What the sensitivity of a sum of clipped gradients is proven for.
  void check_noise_by() const {
    if (!server_adds_example_noise(experiment_.strategy)) return;
    const auto* privacy = std::get_if<ExamplePrivacy>(&experiment_.privacy);
    if (privacy == nullptr)
      fail("/strategy/noise_by", "\"server\" goes with privacy unit \"example\" only");
    if (privacy->adversary == Adversary::server_and_models)
      fail("/privacy/adversary",
           "\"server_and_models\" does not go with noise_by \"server\": the server sees sums "
           "before it adds the noise; use \"every_global_model\" or \"final_model\"");
    if (privacy->noise == NoiseKind::secure)
      fail("/privacy/noise", "\"secure\" does not go with noise_by \"server\"; use \"fast\"");
    if (experiment_.local.sampling != SamplingKind::poisson)
      fail("/local/sampling", "noise_by \"server\" needs \"poisson\"");
    if (weighting_of(experiment_.strategy) != Weighting::uniform)
      fail("/strategy/weights",
           "noise_by \"server\" sums gradients, in which every example weighs the same; use "
           "\"uniform\"");
    if (!std::holds_alternative<MeanAggregation>(experiment_.aggregation))
      fail("/aggregation/kind", "noise_by \"server\" needs \"mean\"");
    if (!std::holds_alternative<NoCompression>(experiment_.communication))
      fail("/communication/kind",
           "noise_by \"server\" needs \"none\": compression could move a sum by more than its "
           "example's clip");
    if (!experiment_.model.freeze.empty())
      fail("/model/freeze", "noise_by \"server\" noises every parameter; freeze none");
  }

  void check_attack() const {
    const bool needs_classes = std::holds_alternative<LabelFlipAttack>(experiment_.attack) ||
                               std::holds_alternative<BackdoorAttack>(experiment_.attack);
    if (needs_classes && experiment_.loss.kind == LossKind::mse)
      fail("/attack/kind", quoted(to_string(experiment_.attack)) +
                               " changes classes, and loss \"mse\" predicts a number; use "
                               "\"sign_flip\" or \"gaussian\"");
  }

  void check_devices() const {
    if (experiment_.devices.empty() || distillation_of(experiment_.strategy) != nullptr) return;
    fail("/devices", "gives clients other models, and strategy " + quoted(strategy_) +
                         " averages models that are alike; use \"feddf\", \"dsfl\" or \"fedmd\"");
  }

  void check_distillation() const {
    if (distillation_of(experiment_.strategy) == nullptr) return;
    const std::string who = "strategy " + quoted(strategy_) + " ";
    if (experiment_.loss.kind == LossKind::mse)
      fail("/loss/kind", who + "distils classes, and loss \"mse\" predicts a number");
    if (!std::holds_alternative<NoAttack>(experiment_.attack) &&
        !std::holds_alternative<LabelFlipAttack>(experiment_.attack))
      fail("/attack/kind", who + "learns from answers, and " +
                               quoted(to_string(experiment_.attack)) +
                               " changes updates; use \"label_flip\"");
    if (std::holds_alternative<FedDfSpec>(experiment_.strategy) &&
        !std::holds_alternative<NoCompression>(experiment_.communication))
      fail("/communication/kind",
           who + "computes answers from the models that clients send; use \"none\"");
    const auto* client = client_level(experiment_.privacy);
    if (client != nullptr && client->clipping == ClippingKind::per_layer)
      fail("/privacy", who + "uploads answers, which have no layers; use clipping \"flat\"");
  }

  void refuse(const std::string& pointer, const std::string& word, const Verdict& verdict) const {
    if (verdict.refused())
      fail(pointer, quoted(word) + " does not go with privacy unit \"" +
                        to_string(protection_.unit) + "\": " + verdict.reason);
  }

  [[noreturn]] void fail(const std::string& pointer, const std::string& problem) const {
    throw InputError(source_ + ": " + pointer, problem);
  }

  const Experiment& experiment_;
  const std::string& source_;
  std::string strategy_;
  Protection protection_;
  CohortSampling sampling_;
};

}  // namespace

void check_federation(const Experiment& experiment, const std::string& source) {
  Federation(experiment, source).check();
}

}  // namespace starling::experiment
