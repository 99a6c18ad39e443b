#include "privacy/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace starling {
namespace {

// e^(theta loss) alone overflows at the last nodes, where its product with the mass does not.
TEST(Loss, TiltedWeightsAddUpToOneWhereTheTiltAloneOverflows) {
  const auto loss =
      make_poisson_gaussian_loss({9.2341622940014411e-06, 0.83884812884985172}, Direction::remove);
  loss->cut(std::log(1e-15) - 17.0);
  for (double theta : {5.0, 15.0, 25.0}) {
    const TiltedNodes nodes = loss->tilted({theta, 0.0, std::log(2.0)});
    const double sum = std::accumulate(nodes.weight.begin(), nodes.weight.end(), 0.0);
    EXPECT_NEAR(sum, 1.0, 1e-9) << theta;
    EXPECT_NEAR(nodes.cumulant, loss->cumulant(theta, loss->top(theta, std::log(2.0))),
                1e-6 * (1.0 + nodes.cumulant))
        << theta;
  }
}

}  // namespace
}  // namespace starling
