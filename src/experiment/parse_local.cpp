#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

enum class Participation { fraction, poisson };
const Words<Participation> kParticipations = {{"fraction", Participation::fraction},
                                              {"poisson", Participation::poisson}};

enum class Optimizer { sgd, adam, adamw, rmsprop, adagrad, adam_bc };
const Words<Optimizer> kOptimizers = {
    {"sgd", Optimizer::sgd},         {"adam", Optimizer::adam},
    {"adamw", Optimizer::adamw},     {"rmsprop", Optimizer::rmsprop},
    {"adagrad", Optimizer::adagrad}, {"adam_bc", Optimizer::adam_bc}};

enum class Decay { constant, step, exponential, cosine, inverse };
const Words<Decay> kDecays = {{"constant", Decay::constant},
                              {"step", Decay::step},
                              {"exponential", Decay::exponential},
                              {"cosine", Decay::cosine},
                              {"inverse", Decay::inverse}};

double learning_rate(JsonObject& object, double fallback) {
  return object.number("learning_rate", kPositive, fallback);
}
double weight_decay(JsonObject& object, double fallback) {
  return object.number("weight_decay", kNonNegative, fallback);
}

SgdSpec read_sgd(JsonObject& object) {
  SgdSpec sgd;
  sgd.learning_rate = learning_rate(object, sgd.learning_rate);
  sgd.momentum = object.number("momentum", kNonNegative, sgd.momentum);
  sgd.dampening = object.number("dampening", kUnit, sgd.dampening);
  sgd.weight_decay = weight_decay(object, sgd.weight_decay);
  sgd.nesterov = object.boolean("nesterov", sgd.nesterov);
  if (sgd.nesterov && (sgd.momentum == 0.0 || sgd.dampening != 0.0))
    object.fail("nesterov", "true needs momentum above 0 and dampening 0");
  return sgd;
}

std::pair<double, double> read_betas(JsonObject& object, std::pair<double, double> fallback) {
  if (!object.has("betas")) return fallback;
  const auto betas = object.numbers("betas", kUnitClosedOpen);
  if (betas.size() != 2)
    object.fail("betas", "has " + std::to_string(betas.size()) + " values; it takes 2");
  return {betas[0], betas[1]};
}

template <class Spec>
Spec read_adam(JsonObject& object) {
  Spec adam;
  adam.learning_rate = learning_rate(object, adam.learning_rate);
  adam.betas = read_betas(object, adam.betas);
  adam.eps = object.number("eps", kPositive, adam.eps);
  adam.weight_decay = weight_decay(object, adam.weight_decay);
  adam.amsgrad = object.boolean("amsgrad", adam.amsgrad);
  return adam;
}

RmspropSpec read_rmsprop(JsonObject& object) {
  RmspropSpec rmsprop;
  rmsprop.learning_rate = learning_rate(object, rmsprop.learning_rate);
  rmsprop.alpha = object.number("alpha", kUnitClosedOpen, rmsprop.alpha);
  rmsprop.eps = object.number("eps", kPositive, rmsprop.eps);
  rmsprop.weight_decay = weight_decay(object, rmsprop.weight_decay);
  rmsprop.momentum = object.number("momentum", kNonNegative, rmsprop.momentum);
  rmsprop.centered = object.boolean("centered", rmsprop.centered);
  return rmsprop;
}

AdagradSpec read_adagrad(JsonObject& object) {
  AdagradSpec adagrad;
  adagrad.learning_rate = learning_rate(object, adagrad.learning_rate);
  adagrad.lr_decay = object.number("lr_decay", kNonNegative, adagrad.lr_decay);
  adagrad.weight_decay = weight_decay(object, adagrad.weight_decay);
  adagrad.initial_accumulator_value =
      object.number("initial_accumulator_value", kNonNegative, adagrad.initial_accumulator_value);
  adagrad.eps = object.number("eps", kPositive, adagrad.eps);
  return adagrad;
}

AdamBcSpec read_adam_bc(JsonObject& object) {
  AdamBcSpec adam;
  adam.learning_rate = learning_rate(object, adam.learning_rate);
  adam.betas = read_betas(object, adam.betas);
  adam.floor = object.number("floor", kPositive, adam.floor);
  return adam;
}

OptimizerSpec read_optimizer(JsonObject& object) {
  switch (object.choice("kind", kOptimizers, Optimizer::sgd)) {
    case Optimizer::sgd:
      return read_sgd(object);
    case Optimizer::adam:
      return read_adam<AdamSpec>(object);
    case Optimizer::adamw:
      return read_adam<AdamWSpec>(object);
    case Optimizer::rmsprop:
      return read_rmsprop(object);
    case Optimizer::adagrad:
      return read_adagrad(object);
    case Optimizer::adam_bc:
      return read_adam_bc(object);
  }
  return SgdSpec{};
}

Schedule read_schedule(JsonObject& object) {
  switch (object.choice("kind", kDecays, Decay::constant)) {
    case Decay::constant:
      return ConstantSchedule{};
    case Decay::step:
      return StepSchedule{.every = object.integer("every", 1, kMany),
                          .gamma = object.number("gamma", kUnitOpenClosed, 0.1)};
    case Decay::exponential:
      return ExponentialSchedule{.gamma = object.number("gamma", kUnitOpenClosed)};
    case Decay::cosine:
      return CosineSchedule{.floor = object.number("floor", kUnit, 0.0)};
    case Decay::inverse:
      return InverseSchedule{.decay = object.number("decay", kPositive)};
  }
  return ConstantSchedule{};
}

void read_length(JsonObject& object, LocalSpec& local) {
  local.epochs = object.optional_integer("epochs", 1, kMany);
  local.steps = object.optional_integer("steps", 1, kMany);
  if (local.epochs && local.steps)
    object.fail("", "\"epochs\" and \"steps\" are both given; give one of them");
  if (!local.epochs && !local.steps) local.epochs = 1;
}

void read_batches(JsonObject& object, LocalSpec& local, SamplingKind fallback) {
  local.sampling = object.choice("sampling", kSamplingKinds, fallback);
  local.batch_size = object.integer("batch_size", 1, kMany, local.batch_size);
  local.sample_rate = object.optional_number("sample_rate", kUnitOpenClosed);
  if (!local.sample_rate) return;
  if (local.sampling != SamplingKind::poisson)
    object.fail("sample_rate", "needs sampling \"poisson\", and sampling is \"" +
                                   word(kSamplingKinds, local.sampling) + "\"");
  if (!object.has("batch_size"))
    object.fail("",
                "\"batch_size\" is missing; with a sample_rate it is the constant that "
                "summed gradients are divided by");
  if (local.epochs)
    object.fail("", "\"steps\" is missing; with a sample_rate the number of steps is a constant");
}

}  // namespace

ParticipationSpec parse_participation(JsonObject object) {
  ParticipationSpec participation;
  switch (object.choice("kind", kParticipations, Participation::fraction)) {
    case Participation::fraction:
      participation.kind =
          FractionParticipation{.fraction = object.number("fraction", kUnitOpenClosed, 1.0)};
      break;
    case Participation::poisson:
      participation.kind = PoissonParticipation{.rate = object.number("rate", kUnitOpenClosed)};
      break;
  }
  participation.max_participations = object.optional_integer("max_participations", 1, kMany);
  participation.min_separation = object.integer("min_separation", 0, kMany, 0);
  object.finish();
  return participation;
}

OptimizerSpec parse_optimizer(JsonObject object) {
  OptimizerSpec optimizer = read_optimizer(object);
  object.finish();
  return optimizer;
}

Schedule parse_schedule(JsonObject object) {
  Schedule schedule = read_schedule(object);
  object.finish();
  return schedule;
}

LocalSpec parse_local(JsonObject object, bool is_private) {
  LocalSpec local;
  read_length(object, local);
  read_batches(object, local, is_private ? SamplingKind::poisson : SamplingKind::shuffle);
  local.optimizer = parse_optimizer(object.object_or_empty("optimizer"));
  local.schedule = parse_schedule(object.object_or_empty("schedule"));
  object.finish();
  return local;
}

}  // namespace starling::experiment
