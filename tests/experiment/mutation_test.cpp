// Whatever stands in an experiment file, the parser answers with a value or with one line.

#include <gtest/gtest.h>

#include <random>

#include "experiment/documents.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

constexpr int kMutations = 20000;

// Every place of a document, as pointers.
void list_places(const Json& json, const std::string& pointer, std::vector<std::string>& places) {
  if (!pointer.empty()) places.push_back(pointer);
  if (!json.is_structured()) return;
  for (const auto& item : json.items())
    list_places(item.value(), pointer + "/" + item.key(), places);
}

Json some_value(std::mt19937_64& random) {
  const Json values[] = {nullptr,
                         true,
                         0,
                         -1,
                         1,
                         7,
                         1e308,
                         5e-324,
                         0.5,
                         "",
                         "poisson",
                         "example",
                         "none",
                         "client",
                         "\xC3\xA9",
                         std::string(300, 'x'),
                         Json::array(),
                         Json::object(),
                         Json::array({1, "a", nullptr}),
                         Json::object({{"kind", "adam"}}),
                         Json::object({{"unit", "example"}}),
                         std::numeric_limits<int64_t>::max(),
                         std::numeric_limits<int64_t>::min(),
                         std::numeric_limits<double>::quiet_NaN()};
  return values[random() % std::size(values)];
}

void mutate(Json& json, std::mt19937_64& random) {
  std::vector<std::string> places;
  list_places(json, "", places);
  if (places.empty()) return;
  const Json::json_pointer place(places[random() % places.size()]);
  Json& parent = json.at(place.parent_pointer());
  if (random() % 3 != 0 || !parent.is_object()) {
    json.at(place) = some_value(random);
  } else if (random() % 2 == 0) {
    parent.erase(place.back());
  } else {
    parent[place.back() + "x"] = some_value(random);
  }
}

std::vector<Json> seeds() {
  std::vector<Json> all;
  const char* privacies[] = {R"({"unit": "none"})", R"({"unit": "example", "epsilon": 3})",
                             R"({"unit": "example", "noise_multiplier": 1, "delta": 1e-5})"};
  for (const char* privacy : privacies)
    all.push_back(to_json(parse_experiment(test::with("/privacy", privacy), "seed")));
  return all;
}

TEST(Mutations, AreParsedOrRefusedInOneLine) {
  std::mt19937_64 random(20260314);
  const auto documents = seeds();
  int64_t parsed = 0, refused = 0;
  for (int i = 0; i < kMutations; ++i) {
    Json json = documents[random() % documents.size()];
    for (uint64_t n = 1 + random() % 3; n > 0; --n) mutate(json, random);
    try {
      const Experiment experiment = parse_experiment(json, "x.json");
      ASSERT_EQ(parse_experiment(to_json(experiment), "again"), experiment) << json;
      ++parsed;
    } catch (const InputError& error) {
      const std::string text = error.what();
      ASSERT_EQ(text.find("x.json: "), 0u) << text;
      ASSERT_EQ(text.find('\n'), std::string::npos) << text;
      ASSERT_LT(text.size(), 700u) << text;
      ++refused;
    }
  }
  EXPECT_GT(parsed, kMutations / 50);
  EXPECT_GT(refused, kMutations / 2);
}

}  // namespace
}  // namespace starling
