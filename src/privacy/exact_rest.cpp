#include <algorithm>
#include <cmath>
#include <limits>

#include "privacy/exact_hits.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// The rest as a law of its own, of less than full mass, that ends at Loss::split_end().
class RestLoss : public Loss {
 public:
  RestLoss(const Loss& whole, double threshold, double log_count)
      : whole_(whole),
        threshold_(threshold),
        end_(whole.split_end(threshold)),
        base_(whole.split_nodes({0.0, 0.0, log_count, threshold, end_})) {
    for (double& mass : base_.rest) mass *= std::exp(base_.cumulant);
  }

  TiltedNodes tilted(const TiltRequest& request) const override {
    SplitNodes nodes = whole_.split_nodes(
        {request.theta, request.t_max, request.log_count, threshold_, end_, request.most_nodes});
    TiltedNodes rest{std::move(nodes.rest), std::move(nodes.loss), nodes.cumulant, nodes.error};
    if (nodes.place.empty()) return rest;
    const bool fades = nodes.at_end < std::exp(-36.0 - request.log_count);
    rest.error = fades ? rest.error + 10.0 * nodes.at_end : kInf;
    return rest;
  }
  double cumulant(double theta, double top) const override {
    if (base_.place.empty()) return whole_.cumulant(theta, top);
    double excess = std::expm1(base_.cumulant);
    for (size_t k = 0; k < base_.rest.size(); ++k) {
      excess += base_.rest[k] * std::expm1(theta * base_.loss[k]);
    }
    return std::log1p(excess);
  }
  double variance(double theta, double top) const override {
    if (base_.place.empty()) return whole_.variance(theta, top);
    double sum = 0.0, first = 0.0, second = 0.0;
    for (size_t k = 0; k < base_.rest.size(); ++k) {
      const double away = base_.loss[k] - whole_.anchor();
      const double mass = base_.rest[k] * std::exp(theta * base_.loss[k]);
      sum += mass;
      first += mass * away;
      second += mass * away * away;
    }
    return std::max(0.0, second / sum - first / sum * (first / sum));
  }
  // Within a cell the share of the rest is smallest where the loss is highest.
  std::vector<DecayCell> decay_cells(double theta, double cumulant, double width) const override {
    std::vector<DecayCell> cells = whole_.decay_cells(theta, cumulant, width);
    for (DecayCell& cell : cells) cell.mass *= whole_.rest_share(cell.high, threshold_);
    return cells;
  }
  double top() const override { return end_; }
  double top(double, double) const override { return end_; }
  double largest_theta() const override { return whole_.largest_theta(); }
  bool has_density() const override { return whole_.has_density(); }
  double low() const override { return whole_.low(); }
  double high() const override { return end_; }
  double scale() const override { return whole_.scale(); }
  double loss(double y) const override { return whole_.loss(y); }
  double place(double loss) const override { return whole_.place(loss); }
  double log_density(double y) const override { return whole_.log_density(y); }
  std::vector<LossAtom> atoms() const override { return whole_.atoms(); }
  double anchor() const override { return whole_.anchor(); }
  double atom_spacing() const override { return whole_.atom_spacing(); }

 private:
  const Loss& whole_;
  double threshold_, end_;
  SplitNodes base_;
};

}  // namespace

std::unique_ptr<DeltaCurve> make_rest_contour(const Side& side, const CurveTarget& target,
                                              double threshold) {
  Side rest;
  rest.direction = side.direction;
  rest.mu_squared = side.mu_squared;
  const double log_count = std::log(side.count());
  for (const Release& release : side.releases) {
    rest.releases.push_back(
        {std::make_unique<RestLoss>(*release.loss, threshold, log_count), release.count});
  }
  rest.log_infinite = log_count - 70.0;
  CurveTarget own = target;
  own.theta = choose_theta(rest, chernoff_log_delta(rest, target.centre).theta, target.centre,
                           target.log_delta, true);
  own.epsilon = std::max(0.0, target.centre - 2.0 / own.theta);
  return make_contour(rest, own);
}

}  // namespace starling
