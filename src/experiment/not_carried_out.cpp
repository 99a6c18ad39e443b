#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/core/error.h"

namespace starling::experiment {
namespace {

[[noreturn]] void refuse(const std::string& source, const std::string& pointer,
                         const std::string& value, const std::string& remedy) {
  throw InputError(source + ": " + pointer,
                   quoted(value) + " is not carried out by runs yet; " + remedy);
}

// Strategies that need more of a run than corrections, uploads and a server's step.
bool needs_more(const StrategySpec& strategy) {
  return std::holds_alternative<FedBnSpec>(strategy) ||
         std::holds_alternative<FedPerSpec>(strategy) ||
         std::holds_alternative<DittoSpec>(strategy) ||
         std::holds_alternative<FedBuffSpec>(strategy);
}

}  // namespace

void refuse_not_carried_out(const Experiment& experiment, const std::string& source) {
  if (needs_more(experiment.strategy))
    refuse(source, "/strategy/kind", to_string(experiment.strategy), "use another strategy");
  if (!std::holds_alternative<MeanAggregation>(experiment.aggregation))
    refuse(source, "/aggregation/kind", to_string(experiment.aggregation), "use \"mean\"");
  if (!std::holds_alternative<NoAttack>(experiment.attack))
    refuse(source, "/attack/kind", to_string(experiment.attack), "use \"none\"");
  if (experiment.world != WorldSpec{})
    throw InputError(source + ": /world",
                     "is not carried out by runs yet; leave its fields at their defaults");
  if (!std::holds_alternative<NoCompression>(experiment.communication))
    refuse(source, "/communication/kind", to_string(experiment.communication), "use \"none\"");
}

}  // namespace starling::experiment
