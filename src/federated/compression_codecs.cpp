#include "federated/compression_codecs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "starling/core/error.h"

namespace starling {
namespace compression {
namespace {

// Fields of `width` bits, the least significant first.
class BitWriter {
 public:
  explicit BitWriter(Bytes& bytes) : bytes_(bytes) {}
  ~BitWriter() {
    if (held_ > 0) bytes_.push_back(static_cast<std::byte>(bits_));
  }
  void put(uint32_t field, int64_t width) {
    bits_ |= static_cast<uint64_t>(field) << held_;
    for (held_ += width; held_ >= 8; held_ -= 8, bits_ >>= 8)
      bytes_.push_back(static_cast<std::byte>(bits_));
  }

 private:
  Bytes& bytes_;
  uint64_t bits_ = 0;
  int64_t held_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint32_t get(int64_t width) {
    for (; held_ < width; held_ += 8) bits_ |= static_cast<uint64_t>(bytes_[next_++]) << held_;
    const auto field = static_cast<uint32_t>(bits_ & ((uint64_t{1} << width) - 1));
    bits_ >>= width;
    held_ -= width;
    return field;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t next_ = 0;
  uint64_t bits_ = 0;
  int64_t held_ = 0;
};

// Levels on either side of zero.
int64_t levels(int64_t bits) { return (int64_t{1} << (bits - 1)) - 1; }

// The least float32 that is no smaller than any magnitude.
float largest_magnitude(std::span<const double> values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  const float rounded = narrow(largest);
  if (rounded >= largest) return rounded;
  return narrow(std::nextafter(rounded, std::numeric_limits<float>::infinity()));
}

std::vector<int64_t> largest_places(std::span<const double> values, int64_t count) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::nth_element(order.begin(), order.begin() + (count - 1), order.end(),
                   [&](int64_t a, int64_t b) {
                     const double of_a = std::abs(values[static_cast<size_t>(a)]);
                     const double of_b = std::abs(values[static_cast<size_t>(b)]);
                     return of_a != of_b ? of_a > of_b : a < b;
                   });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

void put_places(const std::vector<int64_t>& places, int64_t size, Bytes& bytes) {
  if (!uses_bitmap(static_cast<int64_t>(places.size()), size)) {
    for (const int64_t place : places) put(bytes, static_cast<uint32_t>(place));
    return;
  }
  const size_t first = bytes.size();
  bytes.resize(first + static_cast<size_t>((size + 7) / 8));
  for (const int64_t place : places)
    bytes[first + static_cast<size_t>(place / 8)] |= std::byte{1} << (place % 8);
}

std::vector<int64_t> get_places(std::span<const std::byte> bytes, int64_t count, int64_t size) {
  std::vector<int64_t> places;
  if (uses_bitmap(count, size)) {
    for (int64_t i = 0; i < static_cast<int64_t>(bytes.size()) * 8; ++i)
      if ((bytes[static_cast<size_t>(i / 8)] >> (i % 8) & std::byte{1}) != std::byte{0})
        places.push_back(i);
  } else {
    for (int64_t k = 0; k < count; ++k)
      places.push_back(get<uint32_t>(bytes, static_cast<size_t>(k)));
  }
  const bool ascend = std::adjacent_find(places.begin(), places.end(),
                                         std::greater_equal<int64_t>()) == places.end();
  if (static_cast<int64_t>(places.size()) != count || !ascend || places.back() >= size)
    throw Error("an encoded update does not name " + std::to_string(count) +
                " ascending places of " + std::to_string(size));
  return places;
}

}  // namespace

void encode_quantized(int64_t bits, std::span<const double> values, RandomStream stream,
                      Bytes& bytes) {
  const float largest = largest_magnitude(values);
  const int64_t sides = levels(bits);
  put(bytes, largest);
  BitWriter writer(bytes);
  for (const double value : values) {
    const double exact = largest > 0.0F ? value / largest * static_cast<double>(sides) : 0.0;
    const double low = std::floor(exact);
    const auto level = static_cast<int64_t>(low) + (stream.uniform() < exact - low ? 1 : 0);
    writer.put(static_cast<uint32_t>(level + sides), bits);
  }
}

void decode_quantized(int64_t bits, std::span<const std::byte> bytes, std::span<double> out) {
  const double largest = checked(get<float>(bytes, 0));
  const int64_t sides = levels(bits);
  if (largest < 0.0) throw Error("an encoded update has a negative range");
  BitReader reader(bytes.subspan(sizeof(float)));
  for (double& value : out) {
    const auto field = static_cast<int64_t>(reader.get(bits));
    if (field > 2 * sides) throw Error("an encoded update has a level that there is not");
    value = largest * static_cast<double>(field - sides) / static_cast<double>(sides);
  }
}

void encode_top_k(double fraction, std::span<const double> values, Bytes& bytes) {
  const auto size = static_cast<int64_t>(values.size());
  if (size > std::numeric_limits<uint32_t>::max())
    throw Error("top_k sends places of 32 bits, too few for " + std::to_string(size) + " values");
  const auto places = largest_places(values, kept(fraction, size));
  for (const int64_t place : places) put(bytes, narrow(values[static_cast<size_t>(place)]));
  put_places(places, size, bytes);
}

void decode_top_k(double fraction, std::span<const std::byte> bytes, std::span<double> out) {
  const auto size = static_cast<int64_t>(out.size());
  const int64_t count = kept(fraction, size);
  const auto places =
      get_places(bytes.subspan(static_cast<size_t>(count) * sizeof(float)), count, size);
  std::ranges::fill(out, 0.0);
  for (size_t k = 0; k < places.size(); ++k)
    out[static_cast<size_t>(places[k])] = checked(get<float>(bytes, k));
}

}  // namespace compression

uint16_t to_half(double value) {
  constexpr double kLargest = 65504.0;
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::min(std::abs(value), kLargest);
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  // Spacing of the halves around: 10 bits below the leading one, never finer than 2^-24.
  const int spacing = magnitude > 0.0 ? std::max(exponent - 11, -24) : -24;
  const auto steps = static_cast<int64_t>(std::nearbyint(std::ldexp(magnitude, -spacing)));
  // A leading bit carries into the exponent by itself.
  return static_cast<uint16_t>(sign | ((spacing + 24) * 1024 + steps));
}

double from_half(uint16_t half) {
  const int exponent = half >> 10 & 0x1F;
  const int fraction = half & 0x3FF;
  const double magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(fraction + 1024, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

}  // namespace starling
