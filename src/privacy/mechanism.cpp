#include "starling/privacy/mechanism.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "privacy/exact_sampler.h"
#include "starling/core/error.h"

namespace starling {
namespace {

constexpr int64_t kBlock = 2048;
constexpr double kLargestFastSteps = 0x1p56;  // 64-bit integers hold 128 standard deviations

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

double positive(double value, const char* name) {
  if (!(value > 0.0 && std::isfinite(value))) {
    throw Error(std::string(name) + " " + text(value) +
                " is not a positive finite number; without noise there is no privacy");
  }
  return value;
}

double product(double a, double b, const char* name) { return positive(a * b, name); }

void add_checked(int64_t& value, int64_t noise, const char* name) {
  if (__builtin_add_overflow(value, noise, &value)) {
    throw Error(std::string(name) + ": a value wraps in 64 bits; choose a coarser grid");
  }
}

// Adds what `draw` fills, a cache-sized block of coordinates after the other.
template <typename Draw>
void add_in_blocks(GridSum& sum, const Draw& draw) {
  int64_t noise[kBlock];
  const int64_t size = std::ssize(sum.values());
  for (int64_t first = 0; first < size; first += kBlock) {
    const std::span<int64_t> block(noise, static_cast<size_t>(std::min(kBlock, size - first)));
    draw(block);
    sum.add_noise(block, first);
  }
}

}  // namespace

GaussianNoise::GaussianNoise(double noise_multiplier, double clip)
    : noise_multiplier_(positive(noise_multiplier, "GaussianNoise: noise multiplier")),
      standard_deviation_(product(noise_multiplier, positive(clip, "GaussianNoise: clip"),
                                  "GaussianNoise: standard deviation")) {}

Event GaussianNoise::event() const { return {GaussianMechanism{noise_multiplier_}}; }

void GaussianNoise::add_fast(std::span<float> values, RandomStream& stream) const {
  stream.add_normal(values, standard_deviation_);
}

void GaussianNoise::add_fast(std::span<double> values, RandomStream& stream) const {
  stream.add_normal(values, standard_deviation_);
}

void GaussianNoise::add_fast(GridSum& sum, RandomStream& stream) const {
  const double steps = sum.grid().steps(standard_deviation_);
  if (!(steps <= kLargestFastSteps)) {
    throw Error("GaussianNoise: " + text(steps) +
                " grid steps pass 64-bit sums; give choose_grid() the noise");
  }
  double normals[kBlock];
  add_in_blocks(sum, [&](std::span<int64_t> noise) {
    const std::span<double> block(normals, noise.size());
    std::ranges::fill(block, 0.0);
    stream.add_normal(block, steps);
    for (size_t i = 0; i < noise.size(); ++i) noise[i] = std::llrint(block[i]);
  });
}

void GaussianNoise::add_secure(GridSum& sum, RandomStream& stream) const {
  const Dyadic steps =
      Dyadic::of(sum.grid().steps(standard_deviation_), "GaussianNoise: standard deviation");
  ExactSampler sampler(stream);
  add_in_blocks(sum, [&](std::span<int64_t> noise) {
    for (int64_t& value : noise) value = sampler.rounded_normal(steps);
  });
}

DiscreteGaussianNoise::DiscreteGaussianNoise(double noise_multiplier, double clip)
    : noise_multiplier_(positive(noise_multiplier, "DiscreteGaussianNoise: noise multiplier")),
      standard_deviation_(product(noise_multiplier, positive(clip, "DiscreteGaussianNoise: clip"),
                                  "DiscreteGaussianNoise: standard deviation")) {
  Dyadic::of(standard_deviation_, "DiscreteGaussianNoise: standard deviation");
}

double DiscreteGaussianNoise::zcdp() const { return 0.5 / (noise_multiplier_ * noise_multiplier_); }

Event DiscreteGaussianNoise::event() const {
  return {DiscreteGaussianMechanism{noise_multiplier_}};
}

void DiscreteGaussianNoise::add_secure(std::span<int64_t> values, RandomStream& stream) const {
  const Dyadic s = Dyadic::of(standard_deviation_, "DiscreteGaussianNoise: standard deviation");
  ExactSampler sampler(stream);
  for (int64_t& value : values) {
    add_checked(value, sampler.discrete_normal(s), "DiscreteGaussianNoise");
  }
}

LaplaceNoise::LaplaceNoise(double l1_sensitivity, double epsilon)
    : sensitivity_(positive(l1_sensitivity, "LaplaceNoise: L1 sensitivity")),
      scale_(positive(l1_sensitivity / positive(epsilon, "LaplaceNoise: epsilon"),
                      "LaplaceNoise: scale")) {}

Event LaplaceNoise::event() const { return {LaplaceMechanism{scale_ / sensitivity_}}; }

// The magnitude is exponential: minus the logarithm of a uniform of 63 bits.
void LaplaceNoise::add_fast(std::span<double> values, RandomStream& stream) const {
  for (double& value : values) {
    const uint64_t word = stream.next();
    const double u = (static_cast<double>(word >> 1) + 0.5) * 0x1p-63;
    const double magnitude = -scale_ * std::log(u);
    value += (word & 1) != 0 ? magnitude : -magnitude;
  }
}

DiscreteLaplaceNoise::DiscreteLaplaceNoise(int64_t l1_sensitivity, double epsilon)
    : epsilon_(positive(epsilon, "DiscreteLaplaceNoise: epsilon")),
      scale_(positive(
          positive(static_cast<double>(l1_sensitivity), "DiscreteLaplaceNoise: L1 sensitivity") /
              epsilon,
          "DiscreteLaplaceNoise: scale")) {
  Dyadic::of(scale_, "DiscreteLaplaceNoise: scale");
}

Event DiscreteLaplaceNoise::event() const {
  // Rounded up; 1, that is no promise, where exp(epsilon) passes double precision.
  const double truth = std::nextafter(1.0 / (1.0 + std::exp(-epsilon_)), 1.0);
  return {RandomizedResponseMechanism{truth, 2}};
}

void DiscreteLaplaceNoise::add_secure(std::span<int64_t> values, RandomStream& stream) const {
  const Dyadic scale = Dyadic::of(scale_, "DiscreteLaplaceNoise: scale");
  ExactSampler sampler(stream);
  for (int64_t& value : values) {
    add_checked(value, sampler.discrete_laplace(scale), "DiscreteLaplaceNoise");
  }
}

RandomizedResponse::RandomizedResponse(double probability, int64_t categories)
    : probability_(probability), categories_(categories) {
  if (!(probability > 0.0 && probability < 1.0)) {
    throw Error("RandomizedResponse: probability " + text(probability) + " is outside (0, 1)");
  }
  if (categories < 2) {
    throw Error("RandomizedResponse: " + std::to_string(categories) +
                " categories; at least 2 are needed");
  }
}

RandomizedResponse RandomizedResponse::from_epsilon(double epsilon, int64_t categories) {
  positive(epsilon, "RandomizedResponse: epsilon");
  const double others = static_cast<double>(categories) - 1.0;
  RandomizedResponse response(1.0 / (1.0 + others * std::exp(-epsilon)), categories);
  while (response.epsilon() > epsilon) {
    response.probability_ = std::nextafter(response.probability_, 0.0);
  }
  return response;
}

double RandomizedResponse::epsilon() const {
  const double others = static_cast<double>(categories_) - 1.0;
  return std::abs(std::log(probability_) + std::log(others) - std::log1p(-probability_));
}

Event RandomizedResponse::event() const {
  return {RandomizedResponseMechanism{probability_, categories_}};
}

int64_t RandomizedResponse::respond(int64_t truth, RandomStream& stream) const {
  if (truth < 0 || truth >= categories_) {
    throw Error("RandomizedResponse: category " + std::to_string(truth) + " is outside 0.." +
                std::to_string(categories_ - 1));
  }
  if (stream.bernoulli(probability_)) return truth;
  const int64_t other = stream.below(categories_ - 1);
  return other < truth ? other : other + 1;
}

std::vector<double> RandomizedResponse::estimate(std::span<const int64_t> counts) const {
  if (static_cast<int64_t>(counts.size()) != categories_) {
    throw Error("RandomizedResponse::estimate: " + std::to_string(counts.size()) + " counts for " +
                std::to_string(categories_) + " categories");
  }
  const double lie = (1.0 - probability_) / (static_cast<double>(categories_) - 1.0);
  if (probability_ == lie) {
    throw Error("RandomizedResponse::estimate: probability " + text(probability_) +
                " makes all answers equally likely");
  }
  double total = 0.0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  std::vector<double> estimates;
  for (const int64_t count : counts) {
    estimates.push_back((static_cast<double>(count) - total * lie) / (probability_ - lie));
  }
  return estimates;
}

}  // namespace starling
