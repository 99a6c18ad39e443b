#include <algorithm>

#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling::experiment {
namespace {

enum class Unit { none, example, client, both };
const Words<Unit> kUnits = {{"none", Unit::none},
                            {"example", Unit::example},
                            {"client", Unit::client},
                            {"both", Unit::both}};
const Words<std::string> kAccountants = {{"exact", "exact"}, {"rdp", "rdp"}};

void read_target(JsonObject& object, PrivacyTerms& privacy) {
  privacy.noise_multiplier = object.optional_number("noise_multiplier", kPositive);
  privacy.epsilon = object.optional_number("epsilon", kPositive);
  if (privacy.noise_multiplier.has_value() == privacy.epsilon.has_value())
    object.fail("", privacy.epsilon
                        ? "\"noise_multiplier\" and \"epsilon\" are both given; give one of them"
                        : "\"epsilon\" is missing; give a target epsilon, or a noise_multiplier");
  privacy.delta = object.optional_number("delta", kUnitOpen);
}

NoiseKind read_noise(JsonObject& object, NoiseKind fallback) {
  if (object.has("noise") && object.raw("noise") == "distributed")
    object.fail("noise",
                "\"distributed\" is not available yet: shares of the noise need secure "
                "aggregation, without which the server sees each upload with its share alone; "
                "available: \"fast\", \"secure\"");
  return object.choice("noise", kNoiseKinds, fallback);
}

// `terms` holds the level's defaults.
void read_terms(JsonObject& object, PrivacyTerms& terms) {
  terms.clip_norm = object.number("clip_norm", kPositive, terms.clip_norm);
  read_target(object, terms);
  terms.accountant = object.choice("accountant", kAccountants, terms.accountant);
  terms.relation = object.choice("relation", kRelations, terms.relation);
  terms.adversary = object.choice("adversary", kAdversaries, terms.adversary);
  terms.clipping = object.choice("clipping", kClippingKinds, terms.clipping);
  terms.noise = read_noise(object, terms.noise);
  terms.insecure_seed = object.optional_integer("insecure_seed", 0, kLargest);
  terms.reveal_private_metrics = object.boolean("reveal_private_metrics", false);
}

ExamplePrivacy read_example(JsonObject& object, SamplingKind sampling) {
  ExamplePrivacy privacy;
  if (sampling == SamplingKind::fixed) privacy.accountant = "rdp";
  read_terms(object, privacy);
  return privacy;
}

ClientPrivacy::Adaptive read_adaptive(JsonObject object) {
  ClientPrivacy::Adaptive adaptive;
  adaptive.quantile = object.number("quantile", kUnit, adaptive.quantile);
  adaptive.learning_rate = object.number("learning_rate", kPositive, adaptive.learning_rate);
  adaptive.bit_noise_multiplier = object.optional_number("bit_noise_multiplier", kPositive);
  object.finish();
  return adaptive;
}

ClientPrivacy read_client(JsonObject& object) {
  ClientPrivacy privacy;
  privacy.release = object.choice("release", kReleases, privacy.release);
  if (privacy.release == ClientPrivacy::Release::tree) privacy.relation = Relation::zero_out;
  read_terms(object, privacy);
  privacy.restart_every = object.optional_integer("restart_every", 1, kMany);
  if (object.has("adaptive")) privacy.adaptive = read_adaptive(object.object("adaptive"));
  privacy.weight_cap = object.optional_integer("weight_cap", 1, kMany);
  return privacy;
}

BothPrivacy read_both(JsonObject& object, SamplingKind sampling) {
  JsonObject example = object.object("example");
  JsonObject client = object.object("client");
  BothPrivacy both{read_example(example, sampling), read_client(client)};
  example.finish();
  client.finish();
  return both;
}

Unit read_unit(JsonObject& object) {
  if (!object.has("unit") && !object.value().empty())
    object.fail(
        "",
        "\"unit\" is missing; \"example\" protects single examples, \"client\" whole clients, "
        "\"none\" nothing");
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

bool protects_examples(JsonObject privacy) {
  const Unit unit = read_unit(privacy);
  return unit == Unit::example || unit == Unit::both;
}

PrivacySpec parse_privacy(JsonObject object, SamplingKind sampling) {
  PrivacySpec privacy;
  switch (read_unit(object)) {
    case Unit::none:
      break;
    case Unit::example:
      privacy = read_example(object, sampling);
      break;
    case Unit::client:
      privacy = read_client(object);
      break;
    case Unit::both:
      privacy = read_both(object, sampling);
      break;
  }
  object.finish();
  return privacy;
}

}  // namespace starling::experiment
