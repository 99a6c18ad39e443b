#include "starling/report/record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

namespace starling {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

template <class Value>
Json optional(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json bound(double value) { return std::isinf(value) ? Json("inf") : Json(value); }
Json bound(const std::optional<double>& value) { return value ? bound(*value) : Json(nullptr); }

double read_bound(JsonObject& object, const std::string& key) {
  if (object.raw(key) == "inf") return kInfinity;
  return object.number(key, kNonNegative);
}

std::optional<double> read_optional_bound(JsonObject& object, const std::string& key) {
  return object.has(key) ? std::optional(read_bound(object, key)) : std::nullopt;
}

int64_t count(JsonObject& object, const std::string& key) {
  return object.integer(key, 0, kLargest);
}

const std::vector<std::pair<std::string, Guarantee>> kGuarantees = {
    {"none", Guarantee::none}, {"insecure_seed", Guarantee::insecure_seed}, {"dp", Guarantee::dp}};

std::string word(Guarantee guarantee) {
  for (const auto& [name, value] : kGuarantees)
    if (value == guarantee) return name;
  return "";
}

Json write(const std::optional<AccuracySpread>& spread) {
  if (!spread) return nullptr;
  return Json::object({{"mean", spread->mean},
                       {"standard_deviation", spread->standard_deviation},
                       {"smallest", spread->smallest},
                       {"largest", spread->largest}});
}

AccuracySpread read_spread(JsonObject object) {
  AccuracySpread spread;
  spread.mean = object.number("mean", kUnit);
  spread.standard_deviation = object.number("standard_deviation", kUnit);
  spread.smallest = object.number("smallest", kUnit);
  spread.largest = object.number("largest", kUnit);
  object.finish();
  return spread;
}

Json write(const RoundRecord& r) {
  return Json::object({{"round", r.round},
                       {"clients", optional(r.clients)},
                       {"learning_rate", r.learning_rate},
                       {"accuracy", optional(r.accuracy)},
                       {"loss", bound(r.loss)},
                       {"auc", optional(r.auc)},
                       {"f1", optional(r.f1)},
                       {"epsilon", bound(r.epsilon)},
                       {"client_epsilon", bound(r.client_epsilon)},
                       {"attack_success", optional(r.attack_success)},
                       {"device_accuracy", r.device_accuracy},
                       {"client_accuracy", write(r.client_accuracy)}});
}

RoundRecord read_round(JsonObject object) {
  RoundRecord r;
  r.round = count(object, "round");
  r.clients = object.optional_integer("clients", 0, kLargest);
  r.learning_rate = object.number("learning_rate", kNonNegative);
  r.accuracy = object.optional_number("accuracy", kUnit);
  r.loss = read_optional_bound(object, "loss");
  r.auc = object.optional_number("auc", kUnit);
  r.f1 = object.optional_number("f1", kUnit);
  r.epsilon = read_optional_bound(object, "epsilon");
  r.client_epsilon = read_optional_bound(object, "client_epsilon");
  r.attack_success = object.optional_number("attack_success", kUnit);
  if (object.has("device_accuracy")) r.device_accuracy = object.numbers("device_accuracy", kUnit);
  if (object.has("client_accuracy"))
    r.client_accuracy = read_spread(object.object("client_accuracy"));
  object.finish();
  return r;
}

Json write(const ClientRecord& c) {
  return Json::object({{"client", c.client},
                       {"examples", optional(c.examples)},
                       {"rounds", c.rounds},
                       {"steps", c.steps},
                       {"sample_rate", optional(c.sample_rate)},
                       {"noise_multiplier", optional(c.noise_multiplier)},
                       {"epsilon", bound(c.epsilon)}});
}

ClientRecord read_client(JsonObject object) {
  ClientRecord c;
  c.client = count(object, "client");
  c.examples = object.optional_integer("examples", 0, kLargest);
  c.rounds = count(object, "rounds");
  c.steps = count(object, "steps");
  c.sample_rate = object.optional_number("sample_rate", kUnit);
  c.noise_multiplier = object.optional_number("noise_multiplier", kNonNegative);
  c.epsilon = read_optional_bound(object, "epsilon");
  object.finish();
  return c;
}

Json write(const WeightRecord& w) {
  return Json::object({{"name", w.name}, {"learned", w.learned}, {"truth", w.truth}});
}

WeightRecord read_weight(JsonObject object) {
  WeightRecord w;
  w.name = object.string("name");
  w.learned = object.number("learned");
  w.truth = object.number("truth");
  object.finish();
  return w;
}

Json write(const ColumnRecord& c) {
  return Json::object({{"name", c.name}, {"mean", c.mean}, {"std", c.std}});
}

ColumnRecord read_column(JsonObject object) {
  ColumnRecord c;
  c.name = object.string("name");
  c.mean = object.number("mean");
  c.std = object.number("std", kPositive);
  object.finish();
  return c;
}

Json write(const PrivacyStatement& p) {
  Json delta_at = Json::array();
  for (const auto& [epsilon, delta] : p.delta_at)
    delta_at.push_back(Json::object({{"epsilon", epsilon}, {"delta", delta}}));
  return Json::object({{"unit", p.unit},
                       {"guarantee", word(p.guarantee)},
                       {"epsilon", bound(p.epsilon)},
                       {"delta", p.delta},
                       {"target_epsilon", optional(p.target_epsilon)},
                       {"relation", p.relation},
                       {"adversary", p.adversary},
                       {"accountant", p.accountant},
                       {"accountant_detail", p.accountant_detail},
                       {"error", bound(p.error)},
                       {"rdp_epsilon", bound(p.rdp_epsilon)},
                       {"delta_at", delta_at},
                       {"clip_norm", p.clip_norm},
                       {"clipping", p.clipping},
                       {"noise", p.noise},
                       {"noise_by", p.noise_by},
                       {"sampling", p.sampling},
                       {"largest_client", optional(p.largest_client)},
                       {"clients", optional(p.clients)},
                       {"noise_multiplier", optional(p.noise_multiplier)},
                       {"sample_rate", optional(p.sample_rate)},
                       {"divisor", optional(p.divisor)},
                       {"ledger_lines", p.ledger_lines},
                       {"ledger_head", p.ledger_head},
                       {"reveal_private_metrics", p.reveal_private_metrics}});
}

PrivacyStatement read_statement(JsonObject object) {
  PrivacyStatement p;
  p.unit = object.string("unit");
  p.guarantee = object.choice("guarantee", kGuarantees);
  p.epsilon = read_bound(object, "epsilon");
  p.delta = object.number("delta", kUnit);
  p.target_epsilon = object.optional_number("target_epsilon", kPositive);
  p.relation = object.string("relation");
  p.adversary = object.string("adversary");
  p.accountant = object.string("accountant");
  p.accountant_detail = object.string("accountant_detail");
  p.error = read_optional_bound(object, "error");
  p.rdp_epsilon = read_optional_bound(object, "rdp_epsilon");
  for (auto& pair : object.objects("delta_at")) {
    p.delta_at.emplace_back(pair.number("epsilon", kNonNegative), pair.number("delta", kUnit));
    pair.finish();
  }
  p.clip_norm = object.number("clip_norm", kNonNegative);
  p.clipping = object.string("clipping");
  p.noise = object.string("noise");
  p.noise_by = object.string("noise_by");
  p.sampling = object.string("sampling");
  p.largest_client = object.optional_integer("largest_client", 0, kLargest);
  p.clients = object.optional_integer("clients", 1, kLargest);
  p.noise_multiplier = object.optional_number("noise_multiplier", kNonNegative);
  p.sample_rate = object.optional_number("sample_rate", kUnit);
  p.divisor = object.optional_number("divisor", kPositive);
  p.ledger_lines = count(object, "ledger_lines");
  p.ledger_head = object.string("ledger_head");
  p.reveal_private_metrics = object.boolean("reveal_private_metrics");
  object.finish();
  return p;
}

template <class Record>
Json write_all(const std::vector<Record>& records) {
  Json array = Json::array();
  for (const auto& record : records) array.push_back(write(record));
  return array;
}

}  // namespace

AccuracySpread spread_of(const std::vector<double>& accuracies) {
  AccuracySpread spread;
  if (accuracies.empty()) return spread;
  const auto count = static_cast<double>(accuracies.size());
  double squares = 0.0;
  for (const double value : accuracies) spread.mean += value / count;
  for (const double value : accuracies) squares += (value - spread.mean) * (value - spread.mean);
  spread.standard_deviation = std::sqrt(squares / count);
  spread.smallest = *std::ranges::min_element(accuracies);
  spread.largest = *std::ranges::max_element(accuracies);
  return spread;
}

Json to_json(const RunRecord& r) {
  Json environment = Json::object();
  for (const auto& [name, value] : r.environment) environment[name] = value;
  return Json::object({{"name", r.name},
                       {"id", r.id},
                       {"description", r.description},
                       {"status", r.status},
                       {"started", r.started},
                       {"seconds", r.seconds},
                       {"resumes", r.resumes},
                       {"parameters", r.parameters},
                       {"train_examples", optional(r.train_examples)},
                       {"test_examples", r.test_examples},
                       {"population", r.population},
                       {"rounds_planned", r.rounds_planned},
                       {"bytes_up", optional(r.bytes_up)},
                       {"bytes_down", optional(r.bytes_down)},
                       {"privacy", write_all(r.privacy)},
                       {"environment", environment},
                       {"experiment", r.experiment},
                       {"rounds", write_all(r.rounds)},
                       {"clients", write_all(r.clients)},
                       {"weights", write_all(r.weights)},
                       {"columns", write_all(r.columns)}});
}

RunRecord parse_record(const Json& json, const std::string& source) {
  JsonObject file(json, source);
  RunRecord r;
  r.name = file.string("name");
  r.id = file.string("id");
  r.description = file.string("description");
  r.status = file.string("status");
  r.started = file.string("started");
  r.seconds = file.number("seconds", kNonNegative);
  r.resumes = count(file, "resumes");
  r.parameters = count(file, "parameters");
  r.train_examples = file.optional_integer("train_examples", 0, kLargest);
  r.test_examples = count(file, "test_examples");
  r.population = count(file, "population");
  r.rounds_planned = count(file, "rounds_planned");
  r.bytes_up = file.optional_integer("bytes_up", 0, kLargest);
  r.bytes_down = file.optional_integer("bytes_down", 0, kLargest);
  r.experiment = file.object("experiment").value();
  for (auto& one : file.objects("privacy")) r.privacy.push_back(read_statement(one));
  for (auto& one : file.objects("rounds")) r.rounds.push_back(read_round(one));
  for (auto& one : file.objects("clients")) r.clients.push_back(read_client(one));
  if (file.has("weights"))
    for (auto& one : file.objects("weights")) r.weights.push_back(read_weight(one));
  if (file.has("columns"))
    for (auto& one : file.objects("columns")) r.columns.push_back(read_column(one));
  JsonObject environment = file.object("environment");
  for (const auto& item : environment.value().items())
    r.environment.emplace_back(item.key(), environment.string(item.key()));
  file.finish();
  return r;
}

RunRecord read_record(const std::string& run) {
  const std::filesystem::path path(run);
  const auto file = std::filesystem::is_directory(path) ? path / "run.json" : path;
  return parse_record(read_json(file.string()), file.string());
}

}  // namespace starling
