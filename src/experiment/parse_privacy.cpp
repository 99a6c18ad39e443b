#include <algorithm>

#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

enum class Unit { none, example };
const Words<Unit> kUnits = {{"none", Unit::none}, {"example", Unit::example}};
const Words<std::string> kAccountants = {{"exact", "exact"}, {"rdp", "rdp"}};

void read_target(JsonObject& object, ExamplePrivacy& privacy) {
  privacy.noise_multiplier = object.optional_number("noise_multiplier", kPositive);
  privacy.epsilon = object.optional_number("epsilon", kPositive);
  if (privacy.noise_multiplier.has_value() == privacy.epsilon.has_value())
    object.fail("", privacy.epsilon
                        ? "\"noise_multiplier\" and \"epsilon\" are both given; give one of them"
                        : "\"epsilon\" is missing; give a target epsilon, or a noise_multiplier");
  privacy.delta = object.optional_number("delta", kUnitOpen);
}

ExamplePrivacy read_example(JsonObject& object, SamplingKind sampling) {
  ExamplePrivacy privacy;
  privacy.clip_norm = object.number("clip_norm", kPositive, privacy.clip_norm);
  read_target(object, privacy);
  privacy.accountant = object.choice(
      "accountant", kAccountants, std::string(sampling == SamplingKind::fixed ? "rdp" : "exact"));
  privacy.relation = object.choice("relation", kRelations, privacy.relation);
  privacy.adversary = object.choice("adversary", kAdversaries, privacy.adversary);
  privacy.clipping = object.choice("clipping", kClippingKinds, privacy.clipping);
  privacy.noise = object.choice("noise", kNoiseKinds, privacy.noise);
  privacy.insecure_seed = object.optional_integer("insecure_seed", 0, kLargest);
  privacy.reveal_private_metrics = object.boolean("reveal_private_metrics", false);
  return privacy;
}

Unit read_unit(JsonObject& object) {
  refuse_planned(object, "unit", {"client"}, "\"none\" and \"example\"");
  if (!object.has("unit") && !object.value().empty())
    object.fail("", "\"unit\" is missing; \"example\" protects single examples, \"none\" nothing");
  return object.choice("unit", kUnits, Unit::none);
}

}  // namespace

void refuse_planned(JsonObject& object, const std::string& key,
                    const std::vector<std::string>& planned, const std::string& available) {
  if (!object.has(key) || !object.raw(key).is_string()) return;
  const auto value = object.raw(key).get<std::string>();
  if (std::find(planned.begin(), planned.end(), value) == planned.end()) return;
  object.fail(key, quoted(value) + " is not available yet; available: " + available);
}

bool asks_for_privacy(JsonObject privacy) { return read_unit(privacy) != Unit::none; }

PrivacySpec parse_privacy(JsonObject object, SamplingKind sampling) {
  PrivacySpec privacy;
  if (read_unit(object) == Unit::example) privacy = read_example(object, sampling);
  object.finish();
  return privacy;
}

}  // namespace starling::experiment
