// The parts around the round: aggregation, communication, world.

#include "starling/federated/compatibility.h"

namespace starling {
namespace {

bool protects_clients(ProtectedUnit unit) {
  return unit == ProtectedUnit::client || unit == ProtectedUnit::both;
}

Verdict allowed(std::string reason = "") { return {Treatment::allowed, std::move(reason)}; }
Verdict refused(std::string reason) { return {Treatment::refused, std::move(reason)}; }

}  // namespace

Verdict compatible(const RobustSpec& aggregation, ProtectedUnit unit) {
  if (std::holds_alternative<MeanAggregation>(aggregation) || unit == ProtectedUnit::none)
    return allowed();
  if (protects_clients(unit))
    return refused(
        "a robust rule does not have the sensitivity of a clipped mean, for which the "
        "server's noise is sized");
  if (std::holds_alternative<FlTrustAggregation>(aggregation))
    return refused("the server's own examples would be used without noise");
  return allowed();
}

Verdict compatible(const CommunicationSpec& communication, ProtectedUnit unit) {
  if (std::holds_alternative<NoCompression>(communication) || !protects_clients(unit))
    return allowed();
  return allowed(
      "the server clips what it has decoded, so that what compression does to a norm never passes "
      "the bound");
}

Verdict compatible(const WorldSpec& world, ProtectedUnit unit, CohortSampling sampling) {
  if (!protects_clients(unit) || sampling != CohortSampling::poisson) return allowed();
  const std::string why = ": a Poisson cohort counts as it falls, without cut-offs";
  if (world.over_selection != 1.0) return refused("over_selection is not 1" + why);
  if (world.minimum_clients != 0) return refused("minimum_clients is not 0" + why);
  if (world.deadline) return refused("there is a deadline" + why);
  return allowed();
}

Verdict compatible(std::string_view strategy, const RobustSpec& aggregation) {
  if (std::holds_alternative<MeanAggregation>(aggregation)) return allowed();
  for (const char* several : {"scaffold", "fednova", "qfedavg"})
    if (strategy == several)
      return refused("\"" + to_string(aggregation) +
                     "\" judges updates, and the strategy uploads more than the update");
  for (const char* answers : {"feddf", "dsfl", "fedmd"})
    if (strategy == answers)
      return refused("\"" + to_string(aggregation) +
                     "\" judges updates, and the strategy learns from answers on the public set");
  return allowed();
}

}  // namespace starling
