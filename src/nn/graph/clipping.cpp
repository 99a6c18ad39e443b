#include "nn/graph/clipping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "starling/core/error.h"

namespace starling::graph {
namespace {

constexpr double kLayerNormTolerance = 1e-6;

double rounding_margin(torch::ScalarType dtype) {
  switch (dtype) {
    case torch::kFloat64:
      return 1.0 - 4 * std::numeric_limits<double>::epsilon();
    case torch::kFloat32:
      return 1.0 - 4 * static_cast<double>(std::numeric_limits<float>::epsilon());
    default:
      throw Error(std::string("per-example gradients: parameters of type ") +
                  torch::toString(dtype) + " are not supported; use float32 or float64");
  }
}

double bounded_factor(double norm, double bound, double margin) {
  return norm <= bound ? 1.0 : bound / norm * margin;
}

std::vector<double> layer_bounds(const Clipping& clipping, int64_t parameters) {
  if (!clipping.layer_norms.empty()) return clipping.layer_norms;
  const double each = clipping.norm / std::sqrt(static_cast<double>(parameters));
  return std::vector<double>(parameters, each);
}

}  // namespace

void check_clipping(const Clipping& clipping, int64_t parameters) {
  if (!(clipping.norm > 0) || !std::isfinite(clipping.norm)) {
    throw Error("clip norm: " + std::to_string(clipping.norm) + " is not a positive number");
  }
  if (clipping.kind == Clipping::Kind::automatic && !(clipping.stability > 0)) {
    throw Error("clipping stability: " + std::to_string(clipping.stability) +
                " is not a positive number");
  }
  if (clipping.kind != Clipping::Kind::per_layer || clipping.layer_norms.empty()) return;
  if (static_cast<int64_t>(clipping.layer_norms.size()) != parameters) {
    throw Error("layer norms: " + std::to_string(clipping.layer_norms.size()) + " given for " +
                std::to_string(parameters) + " trainable parameters; give one each or none");
  }
  double squares = 0;
  for (double bound : clipping.layer_norms) squares += bound > 0 ? bound * bound : NAN;
  if (!(std::abs(std::sqrt(squares) / clipping.norm - 1) <= kLayerNormTolerance)) {
    throw Error("layer norms: the root of their sum of squares is " +
                std::to_string(std::sqrt(squares)) + ", which differs from the clip norm " +
                std::to_string(clipping.norm));
  }
}

ClipFactors clip_factors(const torch::Tensor& squared_norms, const Clipping& clipping,
                         torch::ScalarType dtype) {
  const double margin = rounding_margin(dtype);
  const int64_t parameters = squared_norms.size(0), batch = squared_norms.size(1);
  const auto total = squared_norms.sum(0);
  ClipFactors result;
  result.values = torch::zeros_like(squared_norms);
  result.finite = total.isfinite();
  result.report.norms = total.sqrt();

  const auto bounds = layer_bounds(clipping, parameters);
  const auto squares = squared_norms.accessor<double, 2>();
  const auto norms = result.report.norms.accessor<double, 1>();
  auto values = result.values.accessor<double, 2>();
  for (int64_t b = 0; b < batch; ++b) {
    if (!std::isfinite(norms[b])) {
      ++result.report.non_finite;
      continue;
    }
    bool clipped = norms[b] > clipping.norm;
    if (clipping.kind == Clipping::Kind::per_layer) clipped = false;
    for (int64_t p = 0; p < parameters; ++p) {
      switch (clipping.kind) {
        case Clipping::Kind::flat:
          values[p][b] = bounded_factor(norms[b], clipping.norm, margin);
          break;
        case Clipping::Kind::per_layer:
          values[p][b] = bounded_factor(std::sqrt(squares[p][b]), bounds[p], margin);
          clipped = clipped || std::sqrt(squares[p][b]) > bounds[p];
          break;
        case Clipping::Kind::automatic:
          values[p][b] = clipping.norm / (norms[b] + clipping.stability) * margin;
          break;
      }
    }
    result.report.clipped += clipped;
  }
  return result;
}

}  // namespace starling::graph
