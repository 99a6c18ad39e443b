// Descriptions of models with changed bytes: each is built or refused with a starling::Error, by
// the loop that every reader goes through (fuzz/fuzz.h).

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <iostream>

#include "fuzz/fuzz.h"
#include "nn/model_files.h"
#include "starling/core/files.h"

namespace starling {
namespace {

// Models of text read token ids, the others images.
void build(std::string_view bytes) {
  const Json description = parse_json(bytes, "x");
  const bool is_text = bytes.find("embedding") != std::string_view::npos;
  const auto input = is_text ? std::vector<int64_t>{40} : std::vector<int64_t>{1, 28, 28};
  const auto model = model_from_json(description, "x", input, 10)();
  fuzz::require(model != nullptr, "a description that is accepted gives no model");
}

fuzz::Target model_target() {
  fuzz::Target target;
  target.name = "model description";
  const std::vector<int64_t> table{30};
  for (const auto& model : kModels)
    if (model.parameters <= 100'000 && model.input != table)
      target.seeds.push_back(read_file(model_path(model)));
  target.dictionary = {"\"conv2d\"",
                       "\"linear\"",
                       "\"lstm\"",
                       "\"residual\"",
                       "\"kind\":",
                       "\"kernel_size\": 0",
                       "\"stride\": 0",
                       "\"groups\": 3",
                       "\"p\": 2",
                       "[",
                       "]",
                       "{",
                       "}",
                       "null",
                       "-1",
                       "1e400",
                       "0.5",
                       "\"name\": \"a.b\",",
                       ","};
  target.read = build;
  return target;
}

void fuzz_models(int64_t count) {
  const auto target = model_target();
  for (const auto& seed : target.seeds) ASSERT_NO_THROW(target.read(seed)) << seed;
  fuzz::Outcome outcome;
  ASSERT_NO_THROW(outcome = fuzz::run(target, count));
  std::cout << target.name << ": " << outcome.accepted << " accepted, " << outcome.refused
            << " refused\n";
  EXPECT_GT(outcome.accepted, 0);
  EXPECT_GT(outcome.refused, count / 10);
}

TEST(ModelFuzz, FiveThousandDescriptionsAreBuiltOrRefused) { fuzz_models(5'000); }
TEST(ModelFuzz, CampaignOfAHundredThousandDescriptions) { fuzz_models(100'000); }

}  // namespace
}  // namespace starling
