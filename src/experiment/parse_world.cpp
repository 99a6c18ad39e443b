#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

constexpr Interval kFromOne{1.0, kInfinity, false, true};

enum class Kind { none, lognormal, slow };
const Words<Kind> kKinds = {
    {"none", Kind::none}, {"lognormal", Kind::lognormal}, {"slow", Kind::slow}};

StragglerSpec read_stragglers(JsonObject& object) {
  switch (object.choice("kind", kKinds, Kind::none)) {
    case Kind::none:
      return NoStragglers{};
    case Kind::lognormal:
      return LognormalStragglers{.sigma = object.number("sigma", kPositive, 0.5)};
    case Kind::slow:
      return SlowStragglers{.fraction = object.number("fraction", kUnit, 0.1),
                            .slowdown = object.number("slowdown", kFromOne, 10.0)};
  }
  return NoStragglers{};
}

StragglerSpec parse_stragglers(JsonObject object) {
  StragglerSpec stragglers = read_stragglers(object);
  object.finish();
  return stragglers;
}

}  // namespace

WorldSpec parse_world(JsonObject object) {
  WorldSpec world;
  world.availability = object.number("availability", kUnitOpenClosed, world.availability);
  world.dropout = object.number("dropout", kUnitClosedOpen, world.dropout);
  world.stragglers = parse_stragglers(object.object_or_empty("stragglers"));
  world.deadline = object.optional_number("deadline", kPositive);
  world.over_selection = object.number("over_selection", kFromOne, world.over_selection);
  world.minimum_clients = object.integer("minimum_clients", 0, kMany, world.minimum_clients);
  object.finish();
  return world;
}

}  // namespace starling::experiment
