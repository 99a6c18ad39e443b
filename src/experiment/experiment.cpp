#include "starling/experiment/experiment.h"

#include <algorithm>
#include <cctype>

#include "experiment/parts.h"
#include "experiment/words.h"

namespace starling {

namespace experiment {
namespace {

constexpr size_t kLongestName = 100;

std::string read_name(JsonObject& file) {
  const std::string name = file.string("name");
  const auto allowed = [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '.' || c == '_' || c == '-');
  };
  if (name.empty() || name.size() > kLongestName ||
      !std::isalnum(static_cast<unsigned char>(name[0])) ||
      !std::all_of(name.begin(), name.end(), allowed))
    file.fail("name", Json(name).dump() +
                          " is not 1 to 100 letters, digits, '.', '_' and '-', the "
                          "first a letter or digit: it names the run folder");
  return name;
}

EvaluationSpec parse_evaluation(JsonObject object) {
  EvaluationSpec evaluation;
  evaluation.every = object.integer("every", 1, kMany, evaluation.every);
  evaluation.batch_size = object.integer("batch_size", 1, kMany, evaluation.batch_size);
  evaluation.per_client = object.boolean("per_client", evaluation.per_client);
  object.finish();
  return evaluation;
}

ComputeSpec parse_compute(JsonObject object) {
  ComputeSpec compute;
  compute.threads_per_client = object.integer("threads_per_client", 1, 1024, 1);
  compute.device = object.choice("device", kDevices, compute.device);
  compute.dtype = object.choice("dtype", kDTypes, compute.dtype);
  object.finish();
  return compute;
}

OutputSpec parse_output(JsonObject object) {
  OutputSpec output;
  output.folder = object.string("folder", output.folder);
  if (output.folder.empty()) object.fail("folder", "is empty; \".\" is the working directory");
  output.keep_checkpoints = object.integer("keep_checkpoints", 1, 1000, output.keep_checkpoints);
  object.finish();
  return output;
}

}  // namespace
}  // namespace experiment

Experiment parse_experiment(const Json& json, const std::string& source) {
  using namespace experiment;
  JsonObject file(json, source);
  Experiment result;
  file.string("$schema", "");
  result.name = read_name(file);
  result.description = file.string("description", "");
  result.seed = file.integer("seed", 0, kLargest, result.seed);
  result.dataset = parse_dataset(file.object_or_empty("dataset"));
  result.partition = parse_partition(file.object_or_empty("partition"));
  result.feature_shift = parse_feature_shift(file.object_or_empty("feature_shift"));
  result.model = parse_model(file.object("model"));
  if (file.has("devices"))
    for (auto& device : file.objects("devices")) result.devices.push_back(parse_device(device));
  result.loss = parse_loss(file.object_or_empty("loss"));
  result.rounds = file.integer("rounds", 1, kMany, result.rounds);
  result.participation = parse_participation(file.object_or_empty("participation"));
  const bool examples = protects_examples(file.object_or_empty("privacy"));
  result.local = parse_local(file.object_or_empty("local"), examples);
  result.privacy = parse_privacy(file.object_or_empty("privacy"), result.local.sampling);
  result.strategy = parse_strategy(file.object_or_empty("strategy"));
  result.aggregation = parse_aggregation(file.object_or_empty("aggregation"));
  result.attack = parse_attack(file.object_or_empty("attack"));
  result.world = parse_world(file.object_or_empty("world"));
  result.communication = parse_communication(file.object_or_empty("communication"));
  result.evaluation = parse_evaluation(file.object_or_empty("evaluation"));
  result.compute = parse_compute(file.object_or_empty("compute"));
  result.output = parse_output(file.object_or_empty("output"));
  file.finish();
  check_rules(result, source);
  return result;
}

const ExamplePrivacy* example_level(const PrivacySpec& privacy) {
  if (const auto* both = std::get_if<BothPrivacy>(&privacy)) return &both->example;
  return std::get_if<ExamplePrivacy>(&privacy);
}

const ClientPrivacy* client_level(const PrivacySpec& privacy) {
  if (const auto* both = std::get_if<BothPrivacy>(&privacy)) return &both->client;
  return std::get_if<ClientPrivacy>(&privacy);
}

std::optional<int64_t> insecure_seed(const PrivacySpec& privacy) {
  if (const auto* example = example_level(privacy)) return example->insecure_seed;
  const auto* client = client_level(privacy);
  return client == nullptr ? std::nullopt : client->insecure_seed;
}

bool is_private(const PrivacySpec& privacy) { return !std::holds_alternative<NoPrivacy>(privacy); }

const PrivateStandardization* private_standardization(const DatasetSpec& dataset) {
  return std::get_if<PrivateStandardization>(&dataset.standardization);
}

bool reveals_private_metrics(const PrivacySpec& privacy) {
  const auto* example = example_level(privacy);
  const auto* client = client_level(privacy);
  return (example == nullptr || example->reveal_private_metrics) &&
         (client == nullptr || client->reveal_private_metrics);
}

double default_delta(int64_t examples) {
  int exponent = 1;
  for (long double power = 1; power < static_cast<long double>(examples); power *= 10) ++exponent;
  return std::stod("1e-" + std::to_string(exponent));
}

std::string to_string(Adversary adversary) {
  return experiment::word(experiment::kAdversaries, adversary);
}
std::string to_string(ClippingKind clipping) {
  return experiment::word(experiment::kClippingKinds, clipping);
}

}  // namespace starling
