#include "starling/data/digits.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "digit_strokes.h"
#include "starling/core/error.h"
#include "starling/core/random.h"

namespace starling {
namespace {

using digits::Point;
using digits::Stroke;

constexpr int kSide = 28;
constexpr int kClasses = 10;
constexpr int kSegmentsPerSpan = 5;
constexpr int kLattice = 4;  // control points of the elastic displacement along each axis
constexpr int64_t kLargestSplit = 10'000'000;

// Uniform on [-1, 1) and a bell on (-1, 1) with standard deviation 1/3.
float spread(RandomStream& stream) { return static_cast<float>(2.0 * stream.uniform() - 1.0); }
float bell(RandomStream& stream) {
  float sum = 0.0f;
  for (int i = 0; i < 3; ++i) sum += spread(stream);
  return sum / 3.0f;
}

// What one writer does the same way each time.
struct Writer {
  float slant, turn, width, size;
  std::array<size_t, kClasses> style;
};

Writer draw_writer(RandomStream& stream) {
  Writer writer{0.35f * bell(stream),
                0.12f * bell(stream),
                1.3f + 0.7f * bell(stream),
                1.0f + 0.15f * bell(stream),
                {}};
  for (int digit = 0; digit < kClasses; ++digit) {
    writer.style[digit] = stream.below(static_cast<int64_t>(digits::styles(digit).size()));
  }
  return writer;
}

// Maps the unit box of the strokes to pixels: rotation (through the tangent of half its angle),
// slant, size, place, then the elastic displacement of a bilinear lattice.
class Warp {
 public:
  Warp(const Writer& writer, RandomStream& stream) {
    const float t = 0.5f * writer.turn + 0.18f * bell(stream);
    const float cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    const float slant = writer.slant + 0.35f * bell(stream);
    const float height = 20.0f * writer.size * (1 + 0.22f * bell(stream));
    const float width = 0.82f * height * (1 + 0.3f * bell(stream));
    xx_ = width * cosine, xy_ = -height * (sine + slant * cosine);
    yx_ = width * sine, yy_ = height * (cosine - slant * sine);
    x_ = 0.5f * (kSide - 1) + 3.6f * bell(stream);
    y_ = 0.5f * (kSide - 1) + 3.6f * bell(stream);
    for (Point& offset : offsets_) offset = {3.6f * bell(stream), 3.6f * bell(stream)};
  }

  Point operator()(Point p) const {
    const Point push = displacement(p);
    const float u = p.x - 0.5f, v = p.y - 0.5f;
    return {x_ + xx_ * u + xy_ * v + push.x, y_ + yx_ * u + yy_ * v + push.y};
  }

 private:
  Point displacement(Point p) const {
    const float u = std::clamp(p.x, 0.0f, 0.999f) * (kLattice - 1);
    const float v = std::clamp(p.y, 0.0f, 0.999f) * (kLattice - 1);
    const int column = static_cast<int>(u), row = static_cast<int>(v);
    const float a = u - column, b = v - row;
    const Point* at = &offsets_[row * kLattice + column];
    const auto blend = [&](float p00, float p01, float p10, float p11) {
      return (1 - b) * ((1 - a) * p00 + a * p01) + b * ((1 - a) * p10 + a * p11);
    };
    return {blend(at[0].x, at[1].x, at[kLattice].x, at[kLattice + 1].x),
            blend(at[0].y, at[1].y, at[kLattice].y, at[kLattice + 1].y)};
  }

  float xx_, xy_, yx_, yy_, x_, y_;
  std::array<Point, kLattice * kLattice> offsets_;
};

class Canvas {
 public:
  // Ink falls off over one pixel at the edge of a pen of the given radius.
  void line(Point from, Point to, float radius) {
    const float reach = radius + 0.5f;
    const auto low = [&](float a, float b) {
      return std::max(0, static_cast<int>(std::min(a, b) - reach));
    };
    const auto high = [&](float a, float b) {
      return std::min(kSide - 1, static_cast<int>(std::max(a, b) + reach + 1));
    };
    const float dx = to.x - from.x, dy = to.y - from.y;
    const float inverse = 1.0f / std::max(dx * dx + dy * dy, 1e-6f);
    for (int y = low(from.y, to.y); y <= high(from.y, to.y); ++y) {
      for (int x = low(from.x, to.x); x <= high(from.x, to.x); ++x) {
        const float u = x - from.x, v = y - from.y;
        const float along = std::clamp((u * dx + v * dy) * inverse, 0.0f, 1.0f);
        const float p = u - along * dx, q = v - along * dy;
        const float ink = std::clamp(reach - std::sqrt(p * p + q * q), 0.0f, 1.0f);
        float& pixel = ink_[y * kSide + x];
        pixel = std::max(pixel, ink);
      }
    }
  }

  void finish(float contrast, float noise, RandomStream& stream, uint8_t* out) const {
    uint64_t bits = 0;
    for (int i = 0; i < kSide * kSide; ++i, bits >>= 16) {
      if (i % 4 == 0) bits = stream.next();
      const float grain = static_cast<float>(bits & 0xffff) / 32768.0f - 1.0f;
      const float value = contrast * ink_[i] + noise * grain;
      out[i] = static_cast<uint8_t>(255.0f * std::clamp(value, 0.0f, 1.0f) + 0.5f);
    }
  }

 private:
  std::array<float, kSide * kSide> ink_{};
};

Point catmull_rom(Point a, Point b, Point c, Point d, float t) {
  const auto along = [t](float p, float q, float r, float s) {
    const float linear = r - p, square = 2 * p - 5 * q + 4 * r - s, cube = 3 * (q - r) + s - p;
    return q + 0.5f * t * (linear + t * (square + t * cube));
  };
  return {along(a.x, b.x, c.x, d.x), along(a.y, b.y, c.y, d.y)};
}

std::vector<Point> flatten(const Stroke& stroke, RandomStream& stream) {
  std::vector<Point> points = stroke.points;
  for (Point& p : points) p = {p.x + 0.07f * bell(stream), p.y + 0.07f * bell(stream)};
  if (!stroke.curve) return points;
  std::vector<Point> path = {points.front()};
  const size_t last = points.size() - 1;
  for (size_t i = 0; i < last; ++i) {
    const Point before = points[i == 0 ? 0 : i - 1], after = points[std::min(i + 2, last)];
    for (int k = 1; k <= kSegmentsPerSpan; ++k) {
      const float t = static_cast<float>(k) / kSegmentsPerSpan;
      path.push_back(catmull_rom(before, points[i], points[i + 1], after, t));
    }
  }
  return path;
}

// A straight path is cut too, so that the elastic displacement bends it.
void draw(Canvas& canvas, const std::vector<Point>& path, const Warp& warp, float radius,
          int pieces) {
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const Point a = path[i], b = path[i + 1];
    Point from = warp(a);
    for (int k = 1; k <= pieces; ++k) {
      const float t = static_cast<float>(k) / pieces;
      const Point to = warp({a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)});
      canvas.line(from, to, radius);
      from = to;
    }
  }
}

void stray_mark(Canvas& canvas, RandomStream& stream) {
  const Point from{13.5f + 13.5f * spread(stream), 13.5f + 13.5f * spread(stream)};
  const Point to{from.x + 5.0f * spread(stream), from.y + 5.0f * spread(stream)};
  canvas.line(from, to, 0.6f);
}

void draw_digit(int digit, const Writer& writer, RandomStream& stream, uint8_t* out) {
  const auto& styles = digits::styles(digit);
  const size_t style = stream.below(4) != 0
                           ? writer.style[digit]
                           : static_cast<size_t>(stream.below(static_cast<int64_t>(styles.size())));
  const Warp warp(writer, stream);
  const float radius = std::max(0.55f, writer.width + 0.5f * bell(stream));
  Canvas canvas;
  for (const Stroke& stroke : styles[style]) {
    draw(canvas, flatten(stroke, stream), warp, radius, stroke.curve ? 1 : kSegmentsPerSpan);
  }
  if (stream.below(3) == 0) stray_mark(canvas, stream);
  const float contrast = static_cast<float>(0.75 + 0.25 * stream.uniform());
  const float noise = static_cast<float>(0.15 * stream.uniform());
  canvas.finish(contrast, noise, stream, out);
}

PixelSet draw_split(int64_t count, const std::string& name, int64_t split, uint64_t seed) {
  if (count < 1 || count > kLargestSplit) {
    throw InputError(name, "a size of " + std::to_string(count) + " is outside 1..10000000");
  }
  const RandomKey key = RandomKey::from_seed(seed).derive("digits");
  RandomStream writer_stream(key, {Purpose::data, split, 0});
  std::vector<Writer> writers;
  for (int64_t w = 0; w < kDigitsWriters; ++w) writers.push_back(draw_writer(writer_stream));

  PixelSet set{name, {1, kSide, kSide}, kClasses, {}, {}, {}};
  set.pixels.resize(count * kSide * kSide);
  RandomStream stream(key, {Purpose::data, split, 1});
  for (int64_t i = 0; i < count; ++i) {
    const int64_t writer = stream.below(kDigitsWriters);
    const int64_t digit = stream.below(kClasses);
    set.owners.push_back(split * kDigitsWriters + writer);
    set.labels.push_back(digit);
    draw_digit(static_cast<int>(digit), writers[writer], stream, &set.pixels[i * kSide * kSide]);
  }
  return set;
}

}  // namespace

PixelSplit draw_digits(int64_t train, int64_t test, uint64_t seed) {
  return {draw_split(train, "digits train", 0, seed), draw_split(test, "digits test", 1, seed)};
}

DataSplit make_digits(int64_t train, int64_t test, uint64_t seed) {
  const Normalization normalization{{kDigitsMean}, {kDigitsStandardDeviation}};
  const PixelSplit split = draw_digits(train, test, seed);
  return {to_dataset(split.train, normalization), to_dataset(split.test, normalization)};
}

}  // namespace starling
