#pragma once
// What papers' algorithms are written out in, to compare strategies with them on the three clients
// of small_federation.h.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "federated/small_federation.h"

namespace starling::test {

inline constexpr double kTolerance = 1e-12;

inline void expect_same(const Vector& got, const Vector& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t j = 0; j < got.size(); ++j)
    EXPECT_LE(std::abs(got[j] - expected[j]), kTolerance) << j << ": " << got[j];
  for (const double value : got) EXPECT_TRUE(std::isfinite(value));
}

inline Vector operator+(Vector a, const Vector& b) {
  for (size_t j = 0; j < a.size(); ++j) a[j] += b[j];
  return a;
}
inline Vector operator-(Vector a, const Vector& b) {
  for (size_t j = 0; j < a.size(); ++j) a[j] -= b[j];
  return a;
}
inline Vector operator*(double factor, Vector a) {
  for (double& value : a) value *= factor;
  return a;
}

// y after K steps of y -= eta direction(y), from x.
inline Vector descend(const Quadratic& client, const Vector& x,
                      const std::function<Vector(const Vector&)>& direction) {
  Vector y = x;
  for (int64_t k = 0; k < client.steps; ++k) y = y - kRate * direction(y);
  return y;
}
inline Vector plain(const Quadratic& client, const Vector& x) {
  return descend(client, x, [&](const Vector& y) { return client.gradient(y); });
}

// Calls round(x, cohort, clients) for every cohort.
using Round = std::function<void(Vector&, const std::vector<size_t>&)>;
inline Vector by_hand(const Round& round) {
  Vector x = kStart;
  for (const auto& cohort : cohorts()) round(x, cohort);
  return x;
}

inline Vector weighted_mean_update(const Vector& x, const std::vector<size_t>& cohort) {
  const auto clients = three_clients();
  Vector sum = {0, 0};
  double total = 0;
  for (const size_t i : cohort) {
    const auto n = static_cast<double>(clients[i].examples);
    sum = sum + n * (plain(clients[i], x) - x);
    total += n;
  }
  return 1.0 / total * sum;
}

}  // namespace starling::test
