// The published schema and the parser say the same: keys, defaults, ranges, words.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "experiment/documents.h"
#include "experiment/schema_validator.h"
#include "starling/core/files.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

using test::SchemaValidator;

const std::string kExperiments = STARLING_SOURCE_DIR "/experiments";

const Json& schema() {
  static const Json kSchema = read_json(kExperiments + "/schema/experiment.schema.json");
  return kSchema;
}

// One document for each alternative of each variant, in which every word of that part is allowed
// by the rules between parts; `part` is what it is about.
struct Document {
  std::string part;
  Json json;
};

Json privately(const std::string& target) {
  Json json = test::with("/privacy", R"({"unit": "example", "delta": 1e-5})");
  json["privacy"][target] = 1.5;
  json["local"] = parse_json(R"({"steps": 2, "batch_size": 4, "sample_rate": 0.5})", "local");
  json["strategy"] = Json::object({{"weights", "uniform"}});
  return json;
}

Json protecting_clients(const std::string& privacy) {
  Json json = test::with("/privacy", privacy);
  json["strategy"] = Json::object({{"weights", "uniform"}});
  return json;
}

std::vector<Document> documents() {
  std::vector<Document> all = {{"", test::smallest()},
                               {"/privacy", privately("epsilon")},
                               {"/privacy", privately("noise_multiplier")}};
  for (const char* privacy :
       {R"({"unit": "client", "epsilon": 1.5})",
        R"({"unit": "client", "noise_multiplier": 1.5, "adaptive": {"bit_noise_multiplier": 4}})",
        R"({"unit": "client", "epsilon": 1.5, "release": "tree", "relation": "zero_out"})"})
    all.push_back({"/privacy", protecting_clients(privacy)});
  all.push_back({"/privacy", test::smallest_both()});
  all.push_back(
      {"/dataset/standardization",
       test::with("/dataset/standardization", R"({"kind": "private"})", test::smallest_private())});
  all.push_back(
      {"/local/optimizer", test::with("/local/optimizer", R"({"kind": "adam_bc", "floor": 1e-5})",
                                      test::smallest_private())});
  const std::pair<const char*, const char*> parts[] = {
      {"/dataset", R"({"mean": 0.5, "std": 0.5})"},
      {"/dataset/standardization", R"({"kind": "public"})"},
      {"/loss", R"({"kind": "mse"})"},
      {"/partition", R"({"kind": "iid"})"},
      {"/partition", R"({"kind": "dirichlet", "alpha": 0.1})"},
      {"/partition", R"({"kind": "inner_dirichlet", "alpha": 0.1})"},
      {"/feature_shift", R"({"kind": "rotation"})"},
      {"/feature_shift", R"({"kind": "noise"})"},
      {"/partition", R"({"kind": "shards"})"},
      {"/partition", R"({"kind": "labels", "labels_per_client": 2})"},
      {"/partition", R"({"kind": "quantity", "law": "square"})"},
      {"/partition", R"({"kind": "natural"})"},
      {"/model", R"({"layers": [{}]})"},
      {"/participation", R"({"kind": "poisson", "rate": 0.25})"},
      {"/local", R"({"epochs": null, "steps": 2})"},
      {"/local", R"({"steps": 2, "sampling": "poisson", "batch_size": 2, "sample_rate": 0.5})"},
      {"/local/optimizer", R"({"kind": "sgd", "momentum": 0.9})"},
      {"/local/optimizer", R"({"kind": "adam"})"},
      {"/local/optimizer", R"({"kind": "adamw"})"},
      {"/local/optimizer", R"({"kind": "rmsprop"})"},
      {"/local/optimizer", R"({"kind": "adagrad"})"},
      {"/local/schedule", R"({"kind": "step", "every": 5})"},
      {"/local/schedule", R"({"kind": "exponential", "gamma": 0.1})"},
      {"/local/schedule", R"({"kind": "cosine"})"},
      {"/local/schedule", R"({"kind": "inverse", "decay": 0.3})"},
      {"/strategy", R"({"kind": "fedavgm"})"},
      {"/strategy", R"({"kind": "fedprox"})"},
      {"/strategy", R"({"kind": "scaffold"})"},
      {"/strategy", R"({"kind": "fednova"})"},
      {"/strategy", R"({"kind": "fedadagrad"})"},
      {"/strategy", R"({"kind": "fedadam"})"},
      {"/strategy", R"({"kind": "fedyogi"})"},
      {"/strategy", R"({"kind": "feddyn"})"},
      {"/strategy", R"({"kind": "qfedavg"})"},
      {"/strategy", R"({"kind": "fedbn"})"},
      {"/strategy", R"({"kind": "fedper", "personal": ["1"]})"},
      {"/strategy", R"({"kind": "ditto"})"},
      {"/strategy", R"({"kind": "fedbuff"})"},
      {"/strategy", R"({"kind": "feddf"})"},
      {"/strategy", R"({"kind": "dsfl"})"},
      {"/strategy", R"({"kind": "fedmd"})"},
      {"/aggregation", R"({"kind": "median"})"},
      {"/aggregation", R"({"kind": "trimmed_mean"})"},
      {"/aggregation", R"({"kind": "krum"})"},
      {"/aggregation", R"({"kind": "multi_krum"})"},
      {"/aggregation", R"({"kind": "bulyan"})"},
      {"/aggregation", R"({"kind": "geometric_median"})"},
      {"/aggregation", R"({"kind": "norm_bound"})"},
      {"/aggregation", R"({"kind": "fltrust"})"},
      {"/attack", R"({"kind": "label_flip", "from": 1, "to": 2})"},
      {"/attack", R"({"kind": "label_flip"})"},
      {"/attack", R"({"kind": "sign_flip"})"},
      {"/attack", R"({"kind": "gaussian"})"},
      {"/attack", R"({"kind": "backdoor"})"},
      {"/world/stragglers", R"({"kind": "lognormal"})"},
      {"/world/stragglers", R"({"kind": "slow"})"},
      {"/communication", R"({"kind": "quantize"})"},
      {"/communication", R"({"kind": "top_k"})"},
      {"/communication", R"({"kind": "random_k"})"},
      {"/communication", R"({"kind": "float16"})"},
  };
  for (const auto& [part, value] : parts) all.push_back({part, test::with(part, value)});
  all.push_back({"/devices", test::with("/devices", R"([{"model": {"layers": [{}]}}])",
                                        test::with("/strategy", R"({"kind": "fedmd"})"))});
  const Json protected_examples = test::with(
      "/privacy", R"({"unit": "example", "epsilon": 8, "adversary": "every_global_model"})",
      test::with("/local", R"({"steps": 1})"));
  all.push_back({"/strategy", test::with("/strategy", R"({"kind": "fedsgd", "weights": "uniform"})",
                                         protected_examples)});
  return all;
}

bool parser_accepts(const Json& json) {
  return test::error_of([&] { parse_experiment(json, "x.json"); }).empty();
}

// Calls visit(pointer, schema, resolved value) for every field below the object that `node`
// describes; of alternatives, the one whose "kind" or "unit" the value has.
using Visit = std::function<void(const std::string&, const Json&, const Json&)>;

Json alternative(const SchemaValidator& validator, const Json& node, const Json& value) {
  if (node.contains("properties")) return node;
  for (const auto& one : node["oneOf"]) {
    const Json branch = validator.resolved(one);
    for (const char* tag : {"kind", "unit"})
      if (branch["properties"].contains(tag) && branch["properties"][tag]["const"] == value[tag])
        return branch;
  }
  throw std::logic_error("no alternative for " + value.dump());
}

void walk(const SchemaValidator& validator, const std::string& pointer, const Json& node,
          const Json& value, const Visit& visit) {
  visit(pointer, node, value);
  if (!value.is_object()) return;
  const Json object = alternative(validator, node, value);
  for (const auto& item : object["properties"].items())
    if (value.contains(item.key()))
      walk(validator, pointer + "/" + item.key(), validator.resolved(item.value()),
           value[item.key()], visit);
}

void walk_all(const Document& document, const Visit& visit) {
  const SchemaValidator validator(schema());
  const Json resolved = to_json(parse_experiment(document.json, "x.json"));
  walk(validator, "", schema(), resolved,
       [&](const auto& pointer, const auto& node, const auto& v) {
         if (pointer.starts_with(document.part)) visit(pointer, node, v);
       });
}

TEST(Schema, EveryDefaultIsTheResolvedOne) {
  int64_t compared = 0;
  for (const auto& document : documents()) {
    walk_all(document, [&](const std::string& pointer, const Json& node, const Json& value) {
      if (value.is_object() || document.json.contains(Json::json_pointer(pointer))) return;
      if (pointer == "/local/epochs" && document.json.contains("/local/steps"_json_pointer)) return;
      ASSERT_TRUE(node.contains("default")) << pointer;
      EXPECT_EQ(node["default"], value) << pointer;
      ++compared;
    });
  }
  EXPECT_GT(compared, 80);
}

TEST(Schema, KeysAreThoseOfTheResolvedForm) {
  const SchemaValidator validator(schema());
  for (const auto& document : documents()) {
    walk_all(document, [&](const std::string& pointer, const Json& node, const Json& value) {
      if (!value.is_object()) return;
      std::set<std::string> known, written;
      const Json object = alternative(validator, node, value);
      for (const auto& item : object["properties"].items()) known.insert(item.key());
      for (const auto& item : value.items()) written.insert(item.key());
      known.erase("$schema");
      if (pointer == "/model") known.erase(value.contains("file") ? "layers" : "file");
      EXPECT_EQ(known, written) << pointer;
    });
  }
}

TEST(Schema, EveryFieldIsDescribed) {
  for (const auto& document : documents()) {
    walk_all(document, [&](const std::string& pointer, const Json& node, const Json&) {
      EXPECT_TRUE(node.contains("description") || node.contains("const")) << pointer;
    });
  }
}

// Values at, inside and outside every bound, every word, and values of wrong types.
std::vector<Json> candidates(const Json& node) {
  std::vector<Json> values = {-1,
                              0,
                              1,
                              2,
                              0.5,
                              1.5,
                              -0.5,
                              1e30,
                              "zzzz",
                              "",
                              true,
                              Json::array(),
                              Json::object(),
                              Json::array({1}),
                              Json::array({"a"})};
  for (const char* bound : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
    if (!node.contains(bound)) continue;
    const double value = node[bound].get<double>();
    values.insert(values.end(), {node[bound], std::nextafter(value, -kInfinity),
                                 std::nextafter(value, kInfinity)});
    if (node[bound].is_number_integer())
      values.insert(values.end(), {node[bound].get<int64_t>() - 1, node[bound].get<int64_t>() + 1});
  }
  for (const auto& word : node.value("enum", Json::array())) values.push_back(word);
  return values;
}

// Fields whose allowed values depend on other fields, which only the parser checks.
bool depends_on_others(const std::string& pointer) {
  return pointer == "/dataset/mean" || pointer == "/dataset/std" ||
         pointer == "/local/sample_rate" || pointer == "/local/sampling" ||
         pointer.ends_with("/relation") || pointer.ends_with("/adversary") ||
         pointer.ends_with("/insecure_seed") || pointer.ends_with("/release") ||
         pointer.ends_with("/restart_every") || pointer.ends_with("/adaptive") ||
         pointer.ends_with("/weight_cap") || pointer == "/local/optimizer/nesterov" ||
         pointer == "/attack/from" || pointer == "/attack/to";
}

TEST(Schema, AcceptsAndRefusesWhatTheParserDoes) {
  const SchemaValidator validator(schema());
  int64_t accepted = 0, refused = 0;
  for (const auto& document : documents()) {
    walk_all(document, [&](const std::string& pointer, const Json& node, const Json& value) {
      if (value.is_object() || node.contains("const") || pointer.empty()) return;
      for (const auto& candidate : candidates(node)) {
        Json json = document.json;
        json[Json::json_pointer(pointer)] = candidate;
        const bool accepts = parser_accepts(json);
        if (depends_on_others(pointer) && !accepts) continue;
        EXPECT_EQ(validator.accepts(json), accepts) << pointer << " = " << candidate;
        ++(accepts ? accepted : refused);
      }
    });
  }
  EXPECT_GT(accepted, 200);
  EXPECT_GT(refused, 500);
}

TEST(Schema, RefusesUnknownKeysEverywhere) {
  const SchemaValidator validator(schema());
  for (const auto& document : documents()) {
    walk_all(document, [&](const std::string& pointer, const Json&, const Json& value) {
      if (!value.is_object() || pointer.find("/layers/") != std::string::npos) return;
      Json json = document.json;
      json[Json::json_pointer(pointer + "/zzzz")] = 1;
      EXPECT_FALSE(validator.accepts(json)) << pointer;
    });
  }
}

std::vector<std::string> experiment_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kExperiments))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  return files;
}

TEST(Experiments, AreValidByParserAndSchema) {
  const SchemaValidator validator(schema());
  EXPECT_GE(experiment_files().size(), 5u);
  for (const auto& file : experiment_files()) {
    const auto experiment = load_experiment(file);
    EXPECT_TRUE(validator.accepts(read_json(file))) << file;
    EXPECT_TRUE(validator.accepts(to_json(experiment))) << file;
    EXPECT_EQ(parse_experiment(to_json(experiment), "resolved"), experiment) << file;
  }
}

TEST(Experiments, SayWhatTheyAnswerAndAreNamedAfterTheirFile) {
  for (const auto& file : experiment_files()) {
    const auto experiment = load_experiment(file);
    EXPECT_EQ(experiment.name, std::filesystem::path(file).stem().string());
    EXPECT_GE(experiment.description.size(), 80u) << file;
  }
}

TEST(Experiments, AreListedInTheReadme) {
  const std::string readme = read_file(kExperiments + "/README.md");
  for (const auto& file : experiment_files()) {
    const auto name = std::filesystem::path(file).filename().string();
    EXPECT_NE(readme.find("`" + name + "`"), std::string::npos) << name;
  }
}

TEST(Experiments, ModelsExist) {
  for (const auto& file : experiment_files()) {
    const auto experiment = load_experiment(file);
    const Json description = describe_model(experiment.model, file).json;
    EXPECT_TRUE(description["layers"].is_array()) << file;
  }
}

TEST(Schema, PythonJsonschemaAgrees) {
  if (std::system("python3 -c 'import jsonschema' > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "Python's jsonschema package is not installed";
  const std::string check =
      "python3 -W ignore -c 'import glob, json, sys, jsonschema\n"
      "schema = json.load(open(sys.argv[1] + \"/schema/experiment.schema.json\"))\n"
      "validator = jsonschema.Draft202012Validator\n"
      "validator.check_schema(schema)\n"
      "for path in glob.glob(sys.argv[1] + \"/*.json\"):\n"
      "    validator(schema).validate(json.load(open(path)))\n' '" +
      kExperiments + "'";
  EXPECT_EQ(std::system(check.c_str()), 0);
}

}  // namespace
}  // namespace starling
