#include "starling/privacy/event_json.h"

#include <charconv>
#include <cmath>
#include <map>

#include "starling/core/error.h"

namespace starling {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 53;
constexpr int64_t kMaxTree = int64_t{1} << 40;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

enum class Kind {
  gaussian,
  discrete_gaussian,
  laplace,
  randomized_response,
  tree,
  adaptive_clipping,
  select_and_repeat,
  none
};

const std::vector<std::pair<std::string, Kind>> kKinds{
    {"gaussian", Kind::gaussian},
    {"discrete_gaussian", Kind::discrete_gaussian},
    {"laplace", Kind::laplace},
    {"randomized_response", Kind::randomized_response},
    {"tree", Kind::tree},
    {"adaptive_clipping", Kind::adaptive_clipping},
    {"select_and_repeat", Kind::select_and_repeat},
    {"none", Kind::none}};

enum class SamplingWord { none, poisson, without_replacement };
const std::vector<std::pair<std::string, SamplingWord>> kSamplings{
    {"none", SamplingWord::none},
    {"poisson", SamplingWord::poisson},
    {"without_replacement", SamplingWord::without_replacement}};

const std::vector<std::pair<std::string, Relation>> kRelations{
    {"zero_out", Relation::zero_out},
    {"add_remove", Relation::add_remove},
    {"replace_one", Relation::replace_one}};

void write_mechanism(Json& json, const Mechanism& mechanism) {
  std::visit(Overloaded{
                 [&](const GaussianMechanism& m) {
                   json["mechanism"] = "gaussian";
                   json["noise_multiplier"] = number_json(m.noise_multiplier);
                 },
                 [&](const DiscreteGaussianMechanism& m) {
                   json["mechanism"] = "discrete_gaussian";
                   json["noise_multiplier"] = number_json(m.noise_multiplier);
                 },
                 [&](const LaplaceMechanism& m) {
                   json["mechanism"] = "laplace";
                   json["scale"] = number_json(m.scale);
                 },
                 [&](const RandomizedResponseMechanism& m) {
                   json["mechanism"] = "randomized_response";
                   json["probability"] = m.probability;
                   json["categories"] = m.categories;
                 },
                 [&](const TreeMechanism& m) {
                   json["mechanism"] = "tree";
                   json["noise_multiplier"] = number_json(m.noise_multiplier);
                   json["leaves"] = m.leaves;
                   json["restarts"] = m.restarts;
                   json["max_participations"] = m.max_participations;
                   json["min_separation"] = m.min_separation;
                 },
                 [&](const AdaptiveClippingMechanism& m) {
                   json["mechanism"] = "adaptive_clipping";
                   json["noise_multiplier"] = number_json(m.noise_multiplier);
                   json["bit_noise_multiplier"] = number_json(m.bit_noise_multiplier);
                 },
                 [&](const SelectAndRepeatMechanism& m) {
                   json["mechanism"] = "select_and_repeat";
                   json["event"] = m.event ? to_json(*m.event) : Json(nullptr);
                   json["distribution"] = m.distribution;
                   json["parameters"] = m.parameters;
                 },
                 [&](const NonPrivateMechanism&) { json["mechanism"] = "none"; },
             },
             mechanism);
}

Json sampling_json(const Sampling& sampling) {
  return std::visit(Overloaded{
                        [](const NoSampling&) {
                          return Json{{"kind", "none"}};
                        },
                        [](const PoissonSampling& s) {
                          return Json{{"kind", "poisson"}, {"rate", s.rate}};
                        },
                        [](const WithoutReplacement& s) {
                          return Json{{"kind", "without_replacement"},
                                      {"batch", s.batch},
                                      {"examples", s.examples}};
                        },
                    },
                    sampling);
}

// [0, inf], infinity being the string "inf".
double noise(JsonObject& object, const std::string& key) {
  const Json& value = object.raw(key);
  if (value.is_string() && value == "inf") return kInfinity;
  return object.number(key, kNonNegative);
}

TreeMechanism tree_from_json(JsonObject& object) {
  TreeMechanism tree;
  tree.noise_multiplier = noise(object, "noise_multiplier");
  tree.leaves = object.integer("leaves", 1, kMaxTree);
  tree.restarts = object.integer("restarts", 1, kMaxTree, 1);
  tree.max_participations = object.integer("max_participations", 1, kMaxTree, 1);
  tree.min_separation = object.integer("min_separation", 0, kMaxTree, 0);
  return tree;
}

// Selection runs one event; a selection among selections has no theorem.
SelectAndRepeatMechanism selection_from_json(JsonObject& object) {
  SelectAndRepeatMechanism selection;
  JsonObject inner = object.object("event");
  selection.event = std::make_shared<const Event>(event_from_json(inner));
  if (std::holds_alternative<SelectAndRepeatMechanism>(selection.event->mechanism)) {
    object.fail("event", "a selection among selections cannot be accounted for; name one event");
  }
  const std::vector<std::pair<std::string, size_t>> distributions{
      {"poisson", 1}, {"negative_binomial", 2}, {"geometric", 1}, {"logarithmic", 1}};
  const size_t parameters = object.choice("distribution", distributions);
  selection.distribution = object.string("distribution");
  selection.parameters = object.numbers("parameters");
  if (selection.parameters.size() != parameters) {
    object.fail("parameters", "holds " + std::to_string(selection.parameters.size()) +
                                  " numbers; " + selection.distribution + " takes " +
                                  std::to_string(parameters));
  }
  return selection;
}

Mechanism mechanism_from_json(JsonObject& object) {
  switch (object.choice("mechanism", kKinds)) {
    case Kind::gaussian:
      return GaussianMechanism{noise(object, "noise_multiplier")};
    case Kind::discrete_gaussian:
      return DiscreteGaussianMechanism{noise(object, "noise_multiplier")};
    case Kind::laplace:
      return LaplaceMechanism{noise(object, "scale")};
    case Kind::randomized_response: {
      const double probability = object.number("probability", kUnit);
      return RandomizedResponseMechanism{probability,
                                         object.integer("categories", 2, kMaxCount, 2)};
    }
    case Kind::tree:
      return tree_from_json(object);
    case Kind::adaptive_clipping: {
      const double noise_multiplier = noise(object, "noise_multiplier");
      return AdaptiveClippingMechanism{noise_multiplier, noise(object, "bit_noise_multiplier")};
    }
    case Kind::select_and_repeat:
      return selection_from_json(object);
    case Kind::none:
      return NonPrivateMechanism{};
  }
  throw Error("mechanism without a reader");
}

Sampling sampling_from_json(JsonObject object) {
  Sampling sampling;
  switch (object.choice("kind", kSamplings, SamplingWord::none)) {
    case SamplingWord::none:
      break;
    case SamplingWord::poisson:
      sampling = PoissonSampling{object.number("rate", kUnit)};
      break;
    case SamplingWord::without_replacement: {
      const int64_t examples = object.integer("examples", 1, kMaxCount);
      sampling = WithoutReplacement{object.integer("batch", 0, examples), examples};
      break;
    }
  }
  object.finish();
  return sampling;
}

std::string times(int64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

std::string mechanism_words(const Mechanism& mechanism) {
  return std::visit(
      Overloaded{
          [](const GaussianMechanism& m) {
            return "Gaussian (noise multiplier " + number_text(m.noise_multiplier) + ")";
          },
          [](const DiscreteGaussianMechanism& m) {
            return "discrete Gaussian (noise multiplier " + number_text(m.noise_multiplier) + ")";
          },
          [](const LaplaceMechanism& m) { return "Laplace (scale " + number_text(m.scale) + ")"; },
          [](const RandomizedResponseMechanism& m) {
            return "randomised response (truth told with probability " +
                   number_text(m.probability) + ", " + std::to_string(m.categories) +
                   " categories)";
          },
          [](const TreeMechanism& m) {
            return "tree aggregation (noise multiplier " + number_text(m.noise_multiplier) + ", " +
                   std::to_string(m.leaves) + " leaves, " + std::to_string(m.restarts) +
                   " restarts)";
          },
          [](const AdaptiveClippingMechanism& m) {
            return "adaptive clipping (noise multiplier " + number_text(m.noise_multiplier) + ")";
          },
          [](const SelectAndRepeatMechanism& m) {
            return "the best of a random number of runs (" + m.distribution + ") of " +
                   (m.event ? describe(*m.event) : std::string("nothing"));
          },
          [](const NonPrivateMechanism&) { return std::string("release without noise"); },
      },
      mechanism);
}

std::string sampling_words(const Sampling& sampling) {
  return std::visit(Overloaded{
                        [](const NoSampling&) { return std::string(); },
                        [](const PoissonSampling& s) {
                          return " on a Poisson sample of rate " + number_text(s.rate);
                        },
                        [](const WithoutReplacement& s) {
                          return " on " + std::to_string(s.batch) + " of " +
                                 std::to_string(s.examples) + " records drawn without replacement";
                        },
                    },
                    sampling);
}

}  // namespace

std::string to_string(Relation relation) {
  for (const auto& [word, value] : kRelations) {
    if (value == relation) return word;
  }
  throw Error("unknown relation");
}

Relation relation_from_string(const std::string& word, const std::string& place) {
  std::vector<std::string> words;
  for (const auto& [name, value] : kRelations) {
    if (name == word) return value;
    words.push_back(name);
  }
  throw InputError(place, "\"" + word + "\" is not one of zero_out, add_remove, replace_one" +
                              did_you_mean(word, words));
}

Json to_json(const Event& event) {
  Json json = Json::object();
  write_mechanism(json, event.mechanism);
  json["count"] = event.count;
  json["sampling"] = sampling_json(event.sampling);
  return json;
}

Json to_json(const Composition& composition) {
  Json events = Json::array();
  for (const Event& event : composition.events) events.push_back(to_json(event));
  return Json{{"relation", to_string(composition.relation)}, {"events", std::move(events)}};
}

Event event_from_json(JsonObject object) {
  Event event;
  event.mechanism = mechanism_from_json(object);
  event.count = object.integer("count", 0, kMaxCount, 1);
  event.sampling = sampling_from_json(object.object_or_empty("sampling"));
  object.finish();
  return event;
}

Composition composition_from_json(const Json& value, const std::string& source, Relation fallback) {
  const Json wrapped = value.is_array() ? Json{{"events", value}} : value;
  JsonObject object(wrapped, source);
  Composition composition;
  composition.relation = object.choice("relation", kRelations, fallback);
  for (JsonObject& event : object.objects("events")) {
    composition.events.push_back(event_from_json(event));
  }
  object.finish();
  return composition;
}

std::string describe(const Event& event) {
  return mechanism_words(event.mechanism) + sampling_words(event.sampling) + ", " +
         times(event.count);
}

std::vector<Event> merge_equal(const std::vector<Event>& events) {
  std::vector<Event> merged;
  std::map<std::string, size_t> seen;
  for (const Event& event : events) {
    if (event.count == 0) continue;
    Event one = event;
    one.count = 1;
    const auto [place, fresh] = seen.try_emplace(to_json(one).dump(), merged.size());
    if (fresh) {
      merged.push_back(event);
      continue;
    }
    int64_t& count = merged[place->second].count;
    if (event.count > kMaxCount - count) {
      throw Error("more than 2^53 releases of one kind: " + describe(one));
    }
    count += event.count;
  }
  return merged;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end.ptr);
}

Json number_json(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

}  // namespace starling
