#pragma once
// What goes together under privacy: ONE table, which the checker of experiment files, the
// documentation and the tests read. Whatever is not in it is refused.
//
// At example level clients noise every gradient step; what the strategy makes of the noised result
// is post-processing as long as it reads the examples nowhere else. At client level the server
// clips a client's whole upload and noises the sum; every coordinate that is uploaded takes part in
// the clip. Both levels at once must be allowed at each.

#include <string>
#include <string_view>
#include <vector>

#include "starling/federated/attack.h"
#include "starling/federated/compression.h"
#include "starling/federated/robust.h"
#include "starling/federated/strategy_spec.h"
#include "starling/federated/world.h"
#include "starling/privacy/adversary.h"

namespace starling {

// What privacy protects in an experiment.
enum class ProtectedUnit { none, example, client, both };

// How the clients of a round are drawn.
enum class CohortSampling { fraction, poisson };

enum class Treatment {
  allowed,
  joint_clip,  // allowed with one clip over all coordinates uploaded
  refused,
};

struct Verdict {
  Treatment treatment = Treatment::refused;
  std::string reason;  // in words; empty where simply allowed

  bool refused() const { return treatment == Treatment::refused; }
};

// `strategy` is its word, "fedavg". `adversary` is that of the client level where clients are
// protected, that of the example level where examples alone are, and of no account without privacy.
Verdict compatible(std::string_view strategy, ProtectedUnit unit, CohortSampling sampling,
                   Adversary adversary);

// The parts around the round, by the same rules.
Verdict compatible(const RobustSpec& aggregation, ProtectedUnit unit);
Verdict compatible(const CommunicationSpec& communication, ProtectedUnit unit);
Verdict compatible(const WorldSpec& world, ProtectedUnit unit, CohortSampling sampling);
// Without regard to privacy: a robust rule replaces the mean of plain updates, so that strategies
// that upload more than the update, or set its weight themselves, are refused.
Verdict compatible(std::string_view strategy, const RobustSpec& aggregation);

// The table as Markdown, one row a strategy, for the documentation.
std::string compatibility_table();

// Every word of the table and every value of its keys, for those who enumerate it.
const std::vector<std::string>& strategy_words();

std::string to_string(ProtectedUnit unit);
std::string to_string(CohortSampling sampling);
std::string to_string(Treatment treatment);

}  // namespace starling
