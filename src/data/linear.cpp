#include "starling/data/linear.h"

#include <string>

#include "starling/core/error.h"
#include "starling/core/random.h"

namespace starling {
namespace {

constexpr int64_t kMostExamples = 10'000'000;

Dataset draw_split(const LinearLaw& law, int64_t count, const std::string& name, int64_t split,
                   uint64_t seed) {
  if (count < 1 || count > kMostExamples)
    throw InputError(name, std::to_string(count) + " examples are outside 1..10000000");
  RandomStream stream(RandomKey::from_seed(seed).derive("linear"), {Purpose::data, split});
  Dataset data;
  data.name = name;
  data.shape = {static_cast<int64_t>(law.weights.size())};
  for (int64_t i = 0; i < count; ++i) {
    double y = law.bias;
    for (const double weight : law.weights) {
      const double x = 2.0 * stream.uniform() - 1.0;
      data.features.push_back(static_cast<float>(x));
      y += weight * x;
    }
    data.targets.push_back(static_cast<float>(y + law.noise * stream.normal()));
  }
  return data;
}

}  // namespace

DataSplit draw_linear(const LinearLaw& law, int64_t train, int64_t test, uint64_t seed) {
  return {draw_split(law, train, "linear train", 0, seed),
          draw_split(law, test, "linear test", 1, seed)};
}

}  // namespace starling
