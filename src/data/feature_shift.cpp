#include "starling/data/feature_shift.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "starling/core/error.h"

namespace starling {
namespace {

class Rotation {
 public:
  Rotation(double degrees, const std::vector<int64_t>& shape)
      : cosine_(std::cos(degrees * std::numbers::pi / 180.0)),
        sine_(std::sin(degrees * std::numbers::pi / 180.0)),
        channels_(shape[0]),
        height_(shape[1]),
        width_(shape[2]),
        before_(static_cast<size_t>(height_ * width_)) {}

  void turn(std::span<float> example) {
    for (int64_t c = 0; c < channels_; ++c)
      turn_channel(example.subspan(static_cast<size_t>(c) * before_.size(), before_.size()));
  }

 private:
  void turn_channel(std::span<float> image) {
    std::ranges::copy(image, before_.begin());
    const double middle_x = static_cast<double>(width_ - 1) / 2.0;
    const double middle_y = static_cast<double>(height_ - 1) / 2.0;
    for (int64_t row = 0; row < height_; ++row) {
      for (int64_t column = 0; column < width_; ++column) {
        const double x = static_cast<double>(column) - middle_x;
        const double y = static_cast<double>(row) - middle_y;
        image[static_cast<size_t>(row * width_ + column)] =
            sample(middle_x + cosine_ * x - sine_ * y, middle_y + sine_ * x + cosine_ * y);
      }
    }
  }

  float sample(double x, double y) const {
    x = std::clamp(x, 0.0, static_cast<double>(width_ - 1));
    y = std::clamp(y, 0.0, static_cast<double>(height_ - 1));
    const auto left = static_cast<int64_t>(x), top = static_cast<int64_t>(y);
    const double right_share = x - static_cast<double>(left);
    const double bottom_share = y - static_cast<double>(top);
    const double upper = (1.0 - right_share) * at(top, left) + right_share * at(top, left + 1);
    const double lower =
        (1.0 - right_share) * at(top + 1, left) + right_share * at(top + 1, left + 1);
    return static_cast<float>((1.0 - bottom_share) * upper + bottom_share * lower);
  }

  double at(int64_t row, int64_t column) const {
    return before_[static_cast<size_t>(std::min(row, height_ - 1) * width_ +
                                       std::min(column, width_ - 1))];
  }

  double cosine_, sine_;
  int64_t channels_, height_, width_;
  std::vector<float> before_;
};

struct Shifter {
  const Partition& partition;
  const RandomKey& key;
  Dataset& data;

  std::span<float> example(int64_t index) {
    const auto size = static_cast<size_t>(data.example_size());
    return std::span(data.features).subspan(static_cast<size_t>(index) * size, size);
  }

  void operator()(const NoShift&) {}

  void operator()(const RotationShift& shift) {
    if (data.shape.size() != 3)
      throw InputError("feature_shift/kind",
                       "\"rotation\" turns images of channels, height and width, and examples "
                       "have " +
                           std::to_string(data.shape.size()) + " dimensions; use \"noise\"");
    const auto last = std::max<size_t>(1, partition.clients.size() - 1);
    for (size_t k = 0; k < partition.clients.size(); ++k) {
      Rotation rotation(shift.degrees * static_cast<double>(k) / static_cast<double>(last),
                        data.shape);
      for (const int64_t index : partition.clients[k]) rotation.turn(example(index));
    }
  }

  void operator()(const NoiseShift& shift) {
    const auto clients = static_cast<double>(partition.clients.size());
    for (size_t k = 0; k < partition.clients.size(); ++k) {
      const double variance = shift.sigma * static_cast<double>(k + 1) / clients;
      RandomStream stream(key, {Purpose::feature_shift, static_cast<int64_t>(k)});
      for (const int64_t index : partition.clients[k])
        stream.add_normal(example(index), std::sqrt(variance));
    }
  }
};

struct Namer {
  const char* operator()(const NoShift&) const { return "none"; }
  const char* operator()(const RotationShift&) const { return "rotation"; }
  const char* operator()(const NoiseShift&) const { return "noise"; }
};

}  // namespace

std::string to_string(const FeatureShift& shift) { return std::visit(Namer{}, shift); }

void shift_features(const FeatureShift& shift, const Partition& partition, const RandomKey& key,
                    Dataset& data) {
  if (data.vocabulary > 0 && !std::holds_alternative<NoShift>(shift))
    throw InputError("feature_shift/kind",
                     "\"" + to_string(shift) + "\" changes numbers, and examples are tokens");
  std::visit(Shifter{partition, key, data}, shift);
}

}  // namespace starling
