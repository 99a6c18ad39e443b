#pragma once
// Clients that are away, slow, or give up: a world with a simulated clock. Everything in it is
// drawn from named streams of the experiment's seed, never from data, models or real time, so that
// who fails says nothing about anybody's examples. The unit of time is the round of a typical
// client.
//
// Failure costs privacy all the same: whoever began to train is charged for the round, whether its
// upload counted or not, and a round that is aborted stays charged.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "starling/core/random.h"

namespace starling {

// Every round of every client takes the time 1.
struct NoStragglers {
  bool operator==(const NoStragglers&) const = default;
};
// The time is exp(sigma z), z a standard normal drawn anew for each client and round.
struct LognormalStragglers {
  double sigma = 0.5;  // > 0
  bool operator==(const LognormalStragglers&) const = default;
};
// Slow devices: each client is one with probability `fraction`, and then takes `slowdown` times as
// long in every round.
struct SlowStragglers {
  double fraction = 0.1;   // [0, 1]
  double slowdown = 10.0;  // >= 1
  bool operator==(const SlowStragglers&) const = default;
};
using StragglerSpec = std::variant<NoStragglers, LognormalStragglers, SlowStragglers>;

struct WorldSpec {
  double availability = 1.0;  // (0, 1]: chance that an invited client can take part at all
  double dropout = 0.0;       // [0, 1): chance that a client that began never reports
  StragglerSpec stragglers = {};
  std::optional<double> deadline = {};  // > 0: later reports are ignored
  double over_selection = 1.0;          // >= 1: clients invited over clients wanted
  int64_t minimum_clients = 0;  // a round with fewer counted reports leaves the model as it is
  bool operator==(const WorldSpec&) const = default;
};

enum class Fate {
  unavailable,  // was away: did nothing, is not charged
  counted,      // reported in time
  surplus,      // reported in time, after as many as were wanted had done so
  late,         // reported after the deadline
  dropped,      // gave up on the way
};
std::string to_string(Fate fate);

struct Attempt {
  int64_t client = 0;
  Fate fate = Fate::counted;
  double time = 0.0;  // when it reported or gave up; 0 where it was away
};

struct RoundStory {
  std::vector<Attempt> attempts;  // of every invited client, by client id
  std::vector<int64_t> counted;   // whose uploads are summed, ascending; also where aborted
  std::vector<int64_t> charged;   // who began to train, ascending: privacy is spent for each
  bool aborted = false;           // fewer counted than minimum_clients: the model stays
  double duration = 0.0;          // simulated
};

class World {
 public:
  World(WorldSpec spec, RandomKey key);

  // How many clients to invite so that `wanted` report: ceil(over_selection wanted), at most
  // `clients`.
  int64_t invitations(int64_t wanted, int64_t clients) const;
  // When a client that begins at 0 reports.
  double training_time(int64_t client, int64_t round) const;
  // What becomes of a round. `invited` are distinct client ids in any order; reports beyond the
  // first `wanted` are surplus (equal times: by client id). The round lasts until the last counted
  // report, or the deadline where fewer than wanted came in; without a deadline, until nobody is
  // left to wait for.
  RoundStory play(int64_t round, std::vector<int64_t> invited, int64_t wanted) const;

  const WorldSpec& spec() const { return spec_; }

 private:
  WorldSpec spec_;
  RandomKey key_;
};

}  // namespace starling
