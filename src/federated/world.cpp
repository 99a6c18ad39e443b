#include "starling/federated/world.h"

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

// Steps of a client's streams: what happens to it, and how long it takes.
constexpr int64_t kFateStep = 0;
constexpr int64_t kTimeStep = 1;

struct Clock {
  const RandomKey& key;
  int64_t client, round;

  double operator()(const NoStragglers&) const { return 1.0; }
  double operator()(const LognormalStragglers& spec) const {
    RandomStream stream(key, {Purpose::world, client, round, kTimeStep});
    return std::exp(spec.sigma * stream.normal());
  }
  double operator()(const SlowStragglers& spec) const {
    RandomStream device(key, {Purpose::world, client});
    return device.bernoulli(spec.fraction) ? spec.slowdown : 1.0;
  }
};

Attempt attempt(const World& world, const RandomKey& key, int64_t client, int64_t round) {
  const WorldSpec& spec = world.spec();
  RandomStream stream(key, {Purpose::world, client, round, kFateStep});
  if (!stream.bernoulli(spec.availability)) return {client, Fate::unavailable, 0.0};
  const double time = world.training_time(client, round);
  if (stream.bernoulli(spec.dropout)) return {client, Fate::dropped, stream.uniform() * time};
  const bool in_time = !spec.deadline || time <= *spec.deadline;
  return {client, in_time ? Fate::counted : Fate::late, time};
}

// Of those that reported in time, all but the first `wanted` become surplus.
void keep_first(std::vector<Attempt>& attempts, int64_t wanted) {
  std::vector<Attempt*> in_time;
  for (Attempt& one : attempts)
    if (one.fate == Fate::counted) in_time.push_back(&one);
  std::stable_sort(in_time.begin(), in_time.end(),
                   [](const Attempt* a, const Attempt* b) { return a->time < b->time; });
  for (size_t k = static_cast<size_t>(wanted); k < in_time.size(); ++k)
    in_time[k]->fate = Fate::surplus;
}

double last_of(const std::vector<Attempt>& attempts, bool counted_only) {
  double last = 0.0;
  for (const Attempt& one : attempts)
    if (!counted_only || one.fate == Fate::counted) last = std::max(last, one.time);
  return last;
}

double duration_of(const RoundStory& story, const WorldSpec& spec, int64_t wanted) {
  const bool complete = static_cast<int64_t>(story.counted.size()) >= wanted;
  if (complete) return last_of(story.attempts, true);
  return spec.deadline ? *spec.deadline : last_of(story.attempts, false);
}

}  // namespace

std::string to_string(Fate fate) {
  switch (fate) {
    case Fate::unavailable:
      return "unavailable";
    case Fate::counted:
      return "counted";
    case Fate::surplus:
      return "surplus";
    case Fate::late:
      return "late";
    case Fate::dropped:
      return "dropped";
  }
  return "";
}

World::World(WorldSpec spec, RandomKey key) : spec_(std::move(spec)), key_(std::move(key)) {}

int64_t World::invitations(int64_t wanted, int64_t clients) const {
  const double exact = spec_.over_selection * static_cast<double>(wanted);
  return exact >= static_cast<double>(clients) ? clients : static_cast<int64_t>(std::ceil(exact));
}

double World::training_time(int64_t client, int64_t round) const {
  return std::visit(Clock{key_, client, round}, spec_.stragglers);
}

RoundStory World::play(int64_t round, std::vector<int64_t> invited, int64_t wanted) const {
  if (wanted < 0) throw Error("a round cannot want " + std::to_string(wanted) + " clients");
  std::sort(invited.begin(), invited.end());
  RoundStory story;
  for (const int64_t client : invited)
    story.attempts.push_back(attempt(*this, key_, client, round));
  keep_first(story.attempts, wanted);
  for (const Attempt& one : story.attempts) {
    if (one.fate != Fate::unavailable) story.charged.push_back(one.client);
    if (one.fate == Fate::counted) story.counted.push_back(one.client);
  }
  story.aborted = static_cast<int64_t>(story.counted.size()) < spec_.minimum_clients;
  story.duration = duration_of(story, spec_, wanted);
  return story;
}

}  // namespace starling
