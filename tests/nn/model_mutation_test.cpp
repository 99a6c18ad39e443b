// Architectures with a slip in them: every one either builds or is refused with a message.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <random>

#include "nn/model_files.h"
#include "starling/core/error.h"

namespace starling {
namespace {

std::vector<Json*> members_of(Json& value) {
  std::vector<Json*> found;
  if (!value.is_structured()) return found;
  for (auto& member : value) {
    found.push_back(&member);
    for (Json* deeper : members_of(member)) found.push_back(deeper);
  }
  return found;
}

// Numbers stay small or beyond every limit, so that no trial takes much memory.
Json replacement(std::mt19937_64& random) {
  static const std::vector<Json> values{0,
                                        1,
                                        2,
                                        3,
                                        7,
                                        64,
                                        -1,
                                        1 << 25,
                                        0.5,
                                        -2.5,
                                        true,
                                        nullptr,
                                        "same",
                                        "relu",
                                        "conv2d",
                                        "linear",
                                        "flatten",
                                        "lstm",
                                        "last",
                                        "reflect",
                                        Json::array(),
                                        Json::object(),
                                        {1, 2},
                                        {2, 1, 3}};
  return values[random() % values.size()];
}

void mutate(Json& description, std::mt19937_64& random) {
  const auto members = members_of(description["layers"]);
  Json& target = *members[random() % members.size()];
  if (target.is_object() && random() % 2 == 0)
    target[random() % 2 == 0 ? "padding" : "kernel_siez"] = replacement(random);
  else
    target = replacement(random);
}

void try_mutations(int trials) {
  std::mt19937_64 random(23);
  int refused = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const auto& model = kModels[static_cast<size_t>(trial) % kModels.size()];
    if (model.parameters > 1'000'000) continue;
    Json description = read_json(model_path(model));
    mutate(description, random);
    try {
      model_from_json(description, "mutant.json", model.input, 10);
    } catch (const InputError& problem) {
      const std::string text = problem.what();
      EXPECT_EQ(text.rfind("mutant.json: /layers", 0), 0u) << text;
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      ++refused;
    }
  }
  EXPECT_GT(refused, trials / 2);
}

TEST(ModelMutations, AreBuiltOrRefusedWithAPointer) { try_mutations(300); }

TEST(ModelMutations, LongAreBuiltOrRefusedWithAPointer) { try_mutations(2'000); }

}  // namespace
}  // namespace starling
