#pragma once
// A procedural stand-in for MNIST: 28 x 28 grey images of the ten digits, so that tests and the
// quickstart need no download. Each digit has several handwriting styles made of strokes; a stroke
// is drawn with a random affine map, a smooth elastic displacement, pen width, contrast, stray
// marks and pixel noise. Positions and slants vary so much that a linear model stays well below a
// CNN.
//
// Everything follows from the seed, in arithmetic that has one result on every IEEE 754 machine: no
// function of the C math library but sqrt is used. Example i of a split is the same whatever the
// requested sizes, so the first n of a longer set are the shorter set.

#include <cstdint>

#include "starling/data/dataset.h"
#include "starling/data/pixels.h"

namespace starling {

inline constexpr int64_t kDigitsTrain = 10000;
inline constexpr int64_t kDigitsTest = 2000;
// Each split is drawn by this many writers of its own, who differ in slant, size, pen and style;
// `owners` holds the writer, numbered 0.. in train and from kDigitsWriters in test.
inline constexpr int64_t kDigitsWriters = 100;
inline constexpr double kDigitsMean = 0.148;
inline constexpr double kDigitsStandardDeviation = 0.286;

struct PixelSplit {
  PixelSet train;
  PixelSet test;
};

// Bytes of both splits. Errors: InputError unless each size is in 1..10,000,000.
PixelSplit draw_digits(int64_t train, int64_t test, uint64_t seed);

// The same, normalised by the two constants above.
DataSplit make_digits(int64_t train = kDigitsTrain, int64_t test = kDigitsTest, uint64_t seed = 1);

}  // namespace starling
