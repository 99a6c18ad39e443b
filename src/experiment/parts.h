#pragma once
// One reader a concern of the experiment file. Each takes its own object, checks it and finishes
// it.

#include <limits>

#include "starling/experiment/experiment.h"

namespace starling::experiment {

inline constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kMany = 1'000'000'000;

DatasetSpec parse_dataset(JsonObject object);
PartitionSpec parse_partition(JsonObject object);
FeatureShift parse_feature_shift(JsonObject object);
ModelSpec parse_model(JsonObject object);
DeviceClass parse_device(JsonObject object);
LossSpec parse_loss(JsonObject object);
ParticipationSpec parse_participation(JsonObject object);
// With examples protected, sampling is poisson unless the file says otherwise.
LocalSpec parse_local(JsonObject object, bool protects_examples);
OptimizerSpec parse_optimizer(JsonObject object);
Schedule parse_schedule(JsonObject object);
// The accountant's default depends on the sampling: only "rdp" takes batches of fixed size.
PrivacySpec parse_privacy(JsonObject object, SamplingKind sampling);
StrategySpec parse_strategy(JsonObject object);
RobustSpec parse_aggregation(JsonObject object);
AttackSpec parse_attack(JsonObject object);
WorldSpec parse_world(JsonObject object);
CommunicationSpec parse_communication(JsonObject object);

Json written(const StrategySpec& strategy);
Json written(const RobustSpec& aggregation);
Json written(const AttackSpec& attack);
Json written(const WorldSpec& world);
Json written(const CommunicationSpec& communication);

// The unit alone, before anything that depends on it.
bool protects_examples(JsonObject privacy);

// What ties several parts together, as the privacy rules say. Errors: InputError.
void check_rules(const Experiment& experiment, const std::string& source);
// The same for the strategy and for what surrounds the round; part of check_rules.
void check_federation(const Experiment& experiment, const std::string& source);

// A word that the file format knows and this version does not carry out.
void refuse_planned(JsonObject& object, const std::string& key,
                    const std::vector<std::string>& planned, const std::string& available);

}  // namespace starling::experiment
