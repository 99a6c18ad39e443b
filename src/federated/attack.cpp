#include "starling/federated/attack.h"

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

struct Image {
  int64_t channels = 1, height = 1, width = 1;
  int64_t pixels() const { return channels * height * width; }
};

Image image_of(const std::vector<int64_t>& shape) {
  if (shape.size() == 3) return {shape[0], shape[1], shape[2]};
  Image image;
  for (const int64_t extent : shape) image.width *= extent;
  return image;
}

// The square, or as many of its columns where an example is a row.
void stamp_one(const BackdoorAttack& spec, std::span<float> example, const Image& image) {
  const int64_t rows = std::min(spec.size, image.height);
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t y = image.height - rows; y < image.height; ++y)
      for (int64_t x = image.width - spec.size; x < image.width; ++x)
        example[static_cast<size_t>((c * image.height + y) * image.width + x)] =
            static_cast<float>(spec.value);
}

void check_fits(const BackdoorAttack& spec, const Image& image) {
  if (spec.size <= image.width && (image.height == 1 || spec.size <= image.height)) return;
  throw InputError("/attack/size", std::to_string(spec.size) + " pixels do not fit an example of " +
                                       std::to_string(image.height) + " x " +
                                       std::to_string(image.width));
}

void check_class(const char* key, int64_t label, int64_t classes) {
  if (label >= 0 && label < classes) return;
  throw InputError(std::string("/attack/") + key, std::to_string(label) + " is outside 0.." +
                                                      std::to_string(classes - 1) +
                                                      ", the data set's classes");
}

struct Poison {
  std::span<float> features;
  const std::vector<int64_t>& shape;
  std::span<int64_t> labels;
  int64_t classes;
  RandomStream stream;

  void operator()(const LabelFlipAttack& spec) {
    if (spec.from) check_class("from", *spec.from, classes);
    if (spec.to) check_class("to", *spec.to, classes);
    for (int64_t& label : labels) {
      if (!spec.from) {
        label = classes - 1 - label;
      } else if (label == *spec.from) {
        label = *spec.to;
      }
    }
  }
  void operator()(const BackdoorAttack& spec) {
    const Image image = image_of(shape);
    check_class("target", spec.target, classes);
    check_fits(spec, image);
    const auto count = static_cast<int64_t>(labels.size());
    const auto poisoned = std::llround(spec.poisoned * static_cast<double>(count));
    for (const int64_t k : stream.subset(count, poisoned)) {
      stamp_one(spec, features.subspan(static_cast<size_t>(k * image.pixels())), image);
      labels[static_cast<size_t>(k)] = spec.target;
    }
  }
  template <class Other>
  void operator()(const Other&) {}
};

struct Transform {
  std::span<double> update;
  RandomStream stream;

  void scale(double factor) {
    for (double& value : update) value *= factor;
  }
  void operator()(const SignFlipAttack& spec) { scale(-spec.scale); }
  void operator()(const BackdoorAttack& spec) { scale(spec.scale); }
  void operator()(const GaussianAttack& spec) {
    std::ranges::fill(update, 0.0);
    stream.add_normal(update, spec.std);
  }
  template <class Other>
  void operator()(const Other&) {}
};

struct Namer {
  const char* operator()(const NoAttack&) const { return "none"; }
  const char* operator()(const LabelFlipAttack&) const { return "label_flip"; }
  const char* operator()(const SignFlipAttack&) const { return "sign_flip"; }
  const char* operator()(const GaussianAttack&) const { return "gaussian"; }
  const char* operator()(const BackdoorAttack&) const { return "backdoor"; }
};

}  // namespace

std::string to_string(const AttackSpec& spec) { return std::visit(Namer{}, spec); }

std::vector<int64_t> draw_attackers(const AttackSpec& spec, int64_t clients, const RandomKey& key) {
  const double share = std::visit([](const auto& kind) { return kind.clients; }, spec);
  RandomStream stream(key, {Purpose::attack});
  return stream.subset(clients, std::llround(share * static_cast<double>(clients)));
}

void poison(const AttackSpec& spec, std::span<float> features, const std::vector<int64_t>& shape,
            std::span<int64_t> labels, int64_t classes, int64_t client, const RandomKey& key) {
  std::visit(Poison{features, shape, labels, classes, RandomStream(key, {Purpose::attack, client})},
             spec);
}

void attack_update(const AttackSpec& spec, std::span<double> update, int64_t client, int64_t round,
                   const RandomKey& key) {
  std::visit(Transform{update, RandomStream(key, {Purpose::attack, client, round})}, spec);
}

void stamp(const BackdoorAttack& spec, std::span<float> features,
           const std::vector<int64_t>& shape) {
  const Image image = image_of(shape);
  check_fits(spec, image);
  const auto pixels = static_cast<size_t>(image.pixels());
  for (size_t at = 0; at + pixels <= features.size(); at += pixels)
    stamp_one(spec, features.subspan(at, pixels), image);
}

BackdoorSuccess count_success(const BackdoorAttack& spec, std::span<const int64_t> labels,
                              std::span<const int64_t> predictions) {
  if (labels.size() != predictions.size())
    throw Error(std::to_string(predictions.size()) + " predictions for " +
                std::to_string(labels.size()) + " labels");
  BackdoorSuccess result;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == spec.target) continue;
    ++result.examples;
    if (predictions[i] == spec.target) ++result.hits;
  }
  return result;
}

}  // namespace starling
