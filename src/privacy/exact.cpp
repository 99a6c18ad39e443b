#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "privacy/accountants.h"
#include "privacy/estimate.h"
#include "privacy/exact_curve.h"
#include "privacy/numeric.h"
#include "starling/core/error.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/rdp.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
// Of delta, how much may count as infinite loss: e^-kLogCut.
constexpr double kLogCut = 17.0;
// A larger certified error (relative, or relative to 2 below that) is worth another pass at a
// better tilt.
constexpr double kTightEnough = 1e-3;

// Rounding errors above this share of delta are worth a transform of hits alone.
const double kLogRounding = std::log(1e-4);
constexpr double kRoundingOfEpsilon = 2e-5;  // or raise epsilon by this share, at least of 2
constexpr size_t kCheapLattice = size_t{1} << 15;
// A transform of hits alone bears this share before another choice of hits is better.
const double kLogRoundingOfHits = std::log(2e-3);
const double kLogBearable = std::log(1e-2);
constexpr double kLogNegligible = -10.0;
// Of the loss above which releases are hits, from where on they are rounded one by one when hits
// and the rest share a lattice.
constexpr double kShareOfSplit = 0.25;
constexpr int kMostPasses = 8;
constexpr double kNear = 0.6;  // of the answer, from where on a pass is repeated on a finer lattice
constexpr double kProgress = 0.999;  // a pass of no other kind that gains less is the last
// Of Chernoff's bound, where the first pass begins at an estimate instead.
constexpr double kLeastStart = 1e-2;
constexpr double kWorthAStart = 0.8;
constexpr double kMostStart = 50.0;  // larger bounds are close
// Where Chernoff's bound of log delta lies further above, or its theta is a smaller share, an
// estimate is too low.
constexpr double kFarFromChernoff = 40.0;
constexpr double kFarFromTheta = 0.1;
// Releases among which hits are looked for.
constexpr size_t kMostSplit = 16;
constexpr double kMostSplitEpsilon = 100.0;
constexpr double kLogNearlyOne = -0.05;
constexpr double kMostRaised = 3.0;
// A positive delta below this is reported as this: tilted sums lose their digits far below it.
const double kLogSmallestDelta = std::log(1e-50);

// One direction's answer: `value` bounds epsilon or log delta from above, `error` says by how much
// it may exceed the exact value.
struct Answer {
  double value = 0.0;
  double error = 0.0;
  std::string detail;
};

void refuse_renyi_only(const std::vector<Term>& terms) {
  for (const Term& term : terms) {
    if (std::holds_alternative<ZcdpTerm>(term.kind) ||
        std::holds_alternative<WithoutReplacementTerm>(term.kind) ||
        std::holds_alternative<SelectTerm>(term.kind)) {
      throw InputError(term.place, "has no exact accounting; use accountant rdp");
    }
  }
}

template <class Kind>
bool any(const std::vector<Term>& terms) {
  return std::any_of(terms.begin(), terms.end(),
                     [](const Term& term) { return std::holds_alternative<Kind>(term.kind); });
}

// Unsampled pairs are mirror images, so that one direction stands for both.
std::vector<Direction> directions(const std::vector<Term>& terms, Relation relation) {
  const bool sampled = std::any_of(terms.begin(), terms.end(), [](const Term& term) {
    const auto* laplace = std::get_if<LaplaceTerm>(&term.kind);
    return std::holds_alternative<PoissonGaussianTerm>(term.kind) || (laplace && laplace->rate < 1);
  });
  if (relation == Relation::replace_one) return {Direction::replace};
  if (!sampled) return {Direction::remove};
  return {Direction::remove, Direction::add};
}

// All Gaussian mechanisms are one.
std::vector<Term> join_gaussians(std::vector<Term> terms) {
  double mu_squared = 0.0;
  bool relaxed = false;
  std::vector<Term> joined;
  for (Term& term : terms) {
    if (const auto* gaussian = std::get_if<GaussianTerm>(&term.kind)) {
      mu_squared += term.count * gaussian->mu_squared;
      relaxed |= term.relaxed;
    } else {
      joined.push_back(std::move(term));
    }
  }
  if (mu_squared > 0.0) {
    Term gaussian;
    gaussian.kind = GaussianTerm{mu_squared};
    gaussian.relaxed = relaxed;
    joined.push_back(gaussian);
  }
  return joined;
}

double pure_epsilon(const std::vector<Term>& terms) {
  double total = 0.0;
  for (const Term& term : terms) total += term.count * largest_loss(term.kind);
  return total * (1.0 + 1e-14);
}

// Of all outcomes, the logarithm of P's mass where every loss is the largest; -infinity without
// atoms there. delta(epsilon) is at least that mass times 1 - e^(epsilon - pure epsilon).
double log_mass_of_largest(const std::vector<Term>& terms, Direction direction) {
  double total = 0.0;
  for (const Term& term : terms) {
    double log_mass = -kInf;
    const double largest = largest_loss(term.kind);
    for (const LossAtom& atom : make_loss(term.kind, direction)->atoms()) {
      if (atom.loss >= largest * (1.0 - 1e-14)) log_mass = atom.log_mass;
    }
    total += term.count * log_mass;
  }
  return total;
}

// The chance that a record takes part at all, at most: delta(0) is no larger, whatever the noise.
double participation(const std::vector<Term>& terms) {
  double log_never = 0.0;
  for (const Term& term : terms) {
    const auto* gaussian = std::get_if<PoissonGaussianTerm>(&term.kind);
    const auto* laplace = std::get_if<LaplaceTerm>(&term.kind);
    const double rate = gaussian ? gaussian->rate : laplace ? laplace->rate : 1.0;
    log_never += term.count * std::log1p(-rate);
  }
  return -std::expm1(log_never) * (1.0 + 1e-12);
}

// nullptr where there is none.
std::unique_ptr<DeltaCurve> closed_form(const std::vector<Term>& terms, Direction direction) {
  if (terms.size() != 1) return nullptr;
  const Term& term = terms[0];
  if (term.count == 1.0) return make_one_release(term.kind, direction);
  const auto* response = std::get_if<ResponseTerm>(&term.kind);
  return response ? make_responses(*response, term.count) : nullptr;
}

// As rounds_little(), in place of two more transforms.
bool rounds_bearably(const DeltaCurve& curve, const CurveTarget& target) {
  const double share = 10.0 * kRoundingOfEpsilon * target.theta * std::max(2.0, target.centre);
  return curve.log_rounding(target.centre) <=
         target.log_delta + std::min(std::log(share), kLogBearable);
}

std::unique_ptr<DeltaCurve> make_split_curve(Side& side, const CurveTarget& target) {
  const double log_rest = side.log_rest - side.rest_theta * target.centre;
  if (log_rest < target.log_delta + kLogNegligible) return make_lattice(side, target);
  const double bound = std::exchange(side.log_rest, -kInf), log_hits = side.log_hits;
  const auto take = [&](bool hits, bool rest) {
    side.hits = hits;
    side.rest = rest;
    side.log_hits = hits ? log_hits : 0.0;
  };
  CurveTarget own = target;
  take(false, false);
  own.theta = choose_theta(side, target.theta, target.epsilon, target.log_delta, false);
  for (Release& release : side.releases) release.loss->split(kShareOfSplit * side.threshold);
  auto whole = make_lattice(side, own);
  for (Release& release : side.releases) release.loss->split(side.threshold);
  take(true, false);
  if (whole && rounds_bearably(*whole, own)) {
    side.log_rest = bound;
    return whole;
  }
  auto hits = make_lattice(side, target);
  take(false, true);
  own.fineness = std::max(1.0, target.fineness / 8.0);
  own.theta = choose_theta(side, chernoff_log_delta(side, target.epsilon).theta, target.epsilon,
                           target.log_delta, false);
  auto rest = make_lattice(side, own);
  take(true, false);
  side.log_rest = bound;
  if (!hits || !rest) return nullptr;
  return std::make_unique<SplitCurve>(std::move(hits), std::move(rest));
}

}  // namespace

// An error of delta by a share moves epsilon by that share / theta.
bool rounds_little(const DeltaCurve& curve, const CurveTarget& target) {
  const double share = kRoundingOfEpsilon * target.theta * std::max(2.0, target.centre);
  const double most = std::clamp(std::log(share), kLogRounding, kLogRoundingOfHits);
  return curve.log_rounding(target.centre) <= target.log_delta + most;
}

namespace {

void split_hits(Side& side, double epsilon, double log_delta) {
  // Best are hits so many that the rest needs no transform; else large losses alone.
  for (double log_share : {kLogNegligible - 0.5, 0.0, 5.0, 10.0}) {
    if (side.split_hits(epsilon, epsilon, log_delta + log_share)) return;
  }
  // Where losses near epsilon are frequent, larger ones.
  for (double times : {3.0, 10.0, 30.0}) {
    if (side.split_hits(times * epsilon, epsilon, 0.0)) return;
  }
}

// `theta` is near the saddle point for `epsilon`; the curve is wanted down to `reach` / theta
// below.
std::unique_ptr<DeltaCurve> make_curve(Side& side, double theta, double epsilon, double log_delta,
                                       double reach, double fineness = 1.0) {
  const auto target = [&](bool scaled) {
    const double tilt = choose_theta(side, theta, epsilon, log_delta, scaled);
    return CurveTarget{tilt, std::max(0.0, epsilon - reach / tilt), log_delta, fineness, epsilon};
  };
  if (!side.hits) {
    auto contour = make_contour(side, target(true));
    if (contour && rounds_little(*contour, target(true))) return contour;
    CurveTarget cheap = target(false);
    cheap.most_losses = static_cast<size_t>(std::min(fineness, 2.0)) * kCheapLattice;
    auto lattice = make_lattice(side, cheap);
    if (lattice && rounds_little(*lattice, cheap)) return lattice;
    if (auto hits = make_hits_and_rest(side, target(false))) return hits;
    if (auto hits = make_hits(side, target(false))) return hits;
    if (contour) return contour;
    // Hits and the rest apart take far smaller lattices than both together.
    if (side.releases.size() <= kMostSplit) {
      split_hits(side, 0.95 * epsilon, log_delta);
      if (side.hits) theta = chernoff_log_delta(side, epsilon).theta;
    }
  }
  return side.hits ? make_split_curve(side, target(false)) : make_lattice(side, target(false));
}

// The smallest epsilon in [0, high] whose upper bound is at most log_delta, found by Illinois'
// rule; log_upper(high) <= log_delta. What is returned satisfies the bound.
double solve_epsilon(const DeltaCurve& curve, double log_delta, double low, double high) {
  double at_low = curve.log_upper(low) - log_delta;
  if (at_low <= 0.0) {
    if (low == 0.0) return 0.0;
    high = low;
    low = 0.0;
    at_low = curve.log_upper(0.0) - log_delta;
    if (at_low <= 0.0) return 0.0;
  }
  double at_high = curve.log_upper(high) - log_delta;
  double low_weight = at_low, high_weight = at_high;
  for (int i = 0; i < 100 && high - low > 1e-11 * (1.0 + high); ++i) {
    double share = low_weight / (low_weight - high_weight);
    if (!(share > 0.0 && share < 1.0) || i % 6 == 5) share = 0.5;
    const double middle = low + share * (high - low);
    if (middle <= low || middle >= high) break;
    const double value = curve.log_upper(middle) - log_delta;
    if (value <= 0.0) {
      high = middle;
      high_weight = value;
      low_weight *= 0.5;
      if (value > -1e-12) break;
    } else {
      low = middle;
      low_weight = value;
      high_weight *= 0.5;
    }
  }
  return high;
}

// The exact epsilon is at least epsilon - gap as soon as delta(epsilon - gap) is proven above
// delta.
double certify_epsilon(const DeltaCurve& curve, double log_delta, double epsilon) {
  double gap = 1e-11 * (1.0 + epsilon);
  const auto proven = [&](double x) { return curve.log_lower(epsilon - x) > log_delta; };
  while (gap < epsilon && !proven(gap)) gap *= 2.0;
  if (gap < kTightEnough * epsilon) return gap;
  gap = std::min(gap, epsilon);
  double unproven = 0.5 * gap;
  for (int i = 0; i < 4; ++i) {
    const double middle = 0.5 * (unproven + gap);
    (proven(middle) ? gap : unproven) = middle;
  }
  return gap;
}

Answer curve_epsilon(const DeltaCurve& curve, double log_delta, double low, double high) {
  Answer answer{solve_epsilon(curve, log_delta, low, high), 0.0, curve.method()};
  answer.error = certify_epsilon(curve, log_delta, answer.value);
  return answer;
}

Answer closed_form_epsilon(const DeltaCurve& curve, double log_delta) {
  double high = 1.0;
  while (curve.log_upper(high) > log_delta && high < 1e300) high *= 2.0;
  return curve_epsilon(curve, log_delta, 0.0, high);
}

Answer closed_form_log_delta(const DeltaCurve& curve, double epsilon) {
  const double upper = curve.log_upper(epsilon);
  return {upper, upper - curve.log_lower(epsilon), curve.method()};
}

// The curve's upper bound is at most log_delta there, and it is at least `epsilon` and little more;
// infinity if there is no such place.
double safe_epsilon(const DeltaCurve& curve, double log_delta, double epsilon) {
  const double step = 0.1 * kTightEnough * std::max(2.0, epsilon);
  for (double beyond : {0.0, 1.0, 10.0, 100.0}) {
    const double trial = epsilon + beyond * step;
    if (curve.log_upper(trial) <= log_delta) return trial;
  }
  return kInf;
}

// Tiny noise makes a pass slow, and no pass better.
int most_passes(const Side& side) {
  for (const Release& release : side.releases) {
    if (release.loss->scale() < 1e-4) return 1;
  }
  return kMostPasses;
}

// A place for the first pass that is nearer than Chernoff's bound, where an estimate is credible.
std::optional<Chernoff> estimated_start(const Side& side, const std::vector<Term>& terms,
                                        const Chernoff& chernoff, double bound, double log_delta) {
  if (bound > kMostStart) return std::nullopt;
  const double start = estimated_epsilon(terms, log_delta, kLeastStart * bound, bound);
  if (!(start < kWorthAStart * bound)) return std::nullopt;
  const Chernoff there = chernoff_log_delta(side, start);
  const bool low =
      there.value > log_delta + kFarFromChernoff || there.theta < kFarFromTheta * chernoff.theta;
  if (low) return std::nullopt;
  return Chernoff{there.theta, start};
}

Answer side_epsilon(const std::vector<Term>& terms, Direction direction, double log_delta,
                    double at_least) {
  if (const auto curve = closed_form(terms, direction)) {
    return closed_form_epsilon(*curve, log_delta);
  }
  Side side = make_side(terms, direction);
  side.cut(log_delta - kLogCut);
  const Chernoff chernoff = chernoff_epsilon(side, log_delta - 1e-6);
  // cumulant() is good to eight digits a release.
  const double bound = chernoff.value * (1.0 + 1e-9) + 1e-6 / chernoff.theta;
  if (bound <= at_least) return {0.0, 0.0, ""};
  Answer best{bound, kInf, "bound (Chernoff)"};
  double theta = chernoff.theta, epsilon = bound, reach = 10.0, fineness = 1.0;
  if (const auto start = estimated_start(side, terms, chernoff, bound, log_delta)) {
    epsilon = start->value;
    theta = start->theta;
  }
  const bool few = side.releases.size() <= kMostSplit;
  for (int pass = 0; pass < most_passes(side) && fineness < 1000.0; ++pass) {
    const Answer before = best;
    const double fineness_before = fineness;
    const bool hits_before = side.hits;
    const auto curve = make_curve(side, theta, epsilon, log_delta, reach, fineness);
    const double high = curve ? safe_epsilon(*curve, log_delta, best.value) : kInf;
    if (high < kInf) {
      Answer answer =
          curve_epsilon(*curve, log_delta, std::max(0.0, epsilon - reach / theta), high);
      // Every pass encloses the exact value.
      const double proven = std::max(best.value - best.error, answer.value - answer.error);
      if (answer.value <= best.value) best = answer;
      best.error = best.value - proven;
    }
    if (best.error <= kTightEnough * std::max(2.0, best.value)) break;
    // A curve reaches so far only; one whose end was reached is followed by another.
    const bool far = epsilon - best.value > 0.3 * reach / theta;
    const bool rounds =
        !far && curve &&
        curve->log_rounding(best.value) > log_delta + (side.hits ? kLogBearable : kLogRounding);
    if (few && best.value < kMostSplitEpsilon && (rounds || side.hits)) {
      split_hits(side, 0.95 * best.value, log_delta);
    }
    const bool nearly = best.error < 4.0 * kTightEnough * std::max(2.0, best.value);
    const bool above = epsilon >= 0.99 * best.value;  // where a first pass at an estimate is not
    const bool near = epsilon >= kNear * best.value;
    if (!far && !rounds && near) fineness *= nearly ? 2.0 : 4.0;
    const bool stuck = above && best.error > kProgress * before.error &&
                       fineness == fineness_before && side.hits == hits_before;
    if (stuck) break;
    reach = far ? 10.0 : 2.0;
    epsilon = best.value;
    theta = chernoff_log_delta(side, epsilon).theta;
  }
  return best;
}

// Where delta is nearly 1, Chernoff's tilt tends to 0, and the transform's period to infinity: the
// largest tilt at which rounding errors grow little.
double raised_tilt(const Side& side, double theta, double epsilon) {
  while (side.cumulant(2.0 * theta) - 2.0 * theta * epsilon < kMostRaised) theta *= 2.0;
  return theta;
}

Answer side_log_delta(const std::vector<Term>& terms, Direction direction, double epsilon,
                      double at_least) {
  if (const auto curve = closed_form(terms, direction)) {
    return closed_form_log_delta(*curve, epsilon);
  }
  Side side = make_side(terms, direction);
  side.cut(kLogSmallestDelta);
  Chernoff chernoff = chernoff_log_delta(side, epsilon);
  // Chernoff's bound is seldom more than e^12 above delta.
  side.cut(std::max(chernoff.value - 12.0 - kLogCut, kLogSmallestDelta));
  chernoff = chernoff_log_delta(side, epsilon);
  const double bound = std::min(0.0, log_add_exp(chernoff.value, side.log_infinite) + 1e-5);
  if (bound <= at_least) return {-kInf, 0.0, ""};
  if (bound <= kLogSmallestDelta + 1.0) return {bound, kInf, "bound (Chernoff)"};
  if (bound > kLogNearlyOne) chernoff.theta = raised_tilt(side, chernoff.theta, epsilon);
  const auto curve = make_curve(side, chernoff.theta, epsilon, bound - 6.0, 0.0);
  const double upper = curve ? curve->log_upper(epsilon) : kInf;
  if (!(upper < bound)) return {bound, kInf, "bound (Chernoff)"};
  const double lower = curve->log_lower(epsilon);
  return {upper, upper - lower, curve->method()};
}

class ExactAccountant : public Accountant {
 public:
  std::string name() const override { return "exact"; }

  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    check_delta(delta);
    const std::vector<Term> terms = prepare(events, relation);
    if (terms.empty() || delta == 1.0) return {0.0, delta, 0.0, "nothing is released"};
    if (any<UnboundedTerm>(terms)) return {kInf, delta, kInf, "a release without noise"};
    const double pure = pure_epsilon(terms);
    if (delta == 0.0) return {pure, delta, pure < kInf ? pure : kInf, "largest loss"};
    if (participation(terms) <= delta) return {0.0, delta, 0.0, "records seldom take part"};
    Answer worst;
    for (Direction direction : directions(terms, relation)) {
      Answer answer = side_epsilon(terms, direction, std::log(delta), worst.value - worst.error);
      if (!answer.detail.empty()) answer.detail += label(direction, terms);
      if (answer.value >= worst.value) worst = answer;
    }
    if (worst.value > pure) {
      worst = {pure, std::max(0.0, worst.error - (worst.value - pure)), "largest loss"};
    }
    if (pure < kInf) {
      double log_mass = -kInf;
      for (Direction direction : directions(terms, relation)) {
        log_mass = std::max(log_mass, log_mass_of_largest(terms, direction));
      }
      const double share = std::exp(std::log(delta) - log_mass);
      const double least = share < 1.0 ? pure + std::log1p(-share) : 0.0;
      worst.error = std::min(worst.error, std::max(0.0, worst.value - least) + 4e-14 * pure);
    }
    return labelled({worst.value, delta, worst.error, worst.detail}, terms);
  }

  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    check_epsilon(epsilon);
    const std::vector<Term> terms = prepare(events, relation);
    if (terms.empty()) return {epsilon, 0.0, 0.0, "nothing is released"};
    if (any<UnboundedTerm>(terms)) return {epsilon, 1.0, kInf, "a release without noise"};
    if (epsilon == kInf || epsilon >= pure_epsilon(terms))
      return {epsilon, 0.0, 0.0, "largest loss"};
    Answer worst{-kInf, 0.0, "no loss beyond epsilon"};
    for (Direction direction : directions(terms, relation)) {
      Answer answer = side_log_delta(terms, direction, epsilon, worst.value - worst.error);
      if (!answer.detail.empty()) answer.detail += label(direction, terms);
      if (answer.value > worst.value) worst = answer;
    }
    if (worst.value == -kInf) return {epsilon, 0.0, 0.0, worst.detail};
    const double delta = std::min(1.0, std::exp(std::max(worst.value, kLogSmallestDelta)));
    return labelled({epsilon, delta, 0.0, worst.detail}, terms);
  }

 private:
  static std::vector<Term> prepare(std::span<const Event> events, Relation relation) {
    std::vector<Term> terms = resolve_terms(events, relation);
    refuse_renyi_only(terms);
    return join_gaussians(std::move(terms));
  }

  // A term that is itself an upper bound leaves the distance to the truth unknown.
  static PrivacyBound labelled(PrivacyBound bound, const std::vector<Term>& terms) {
    const auto relaxed = [](const Term& term) { return term.relaxed; };
    if (std::none_of(terms.begin(), terms.end(), relaxed)) return bound;
    bound.error = kInf;
    bound.detail += ", of a bound on the tree's sensitivity";
    return bound;
  }

  static std::string label(Direction direction, const std::vector<Term>& terms) {
    if (terms.size() == 1 && std::holds_alternative<GaussianTerm>(terms[0].kind)) return "";
    return std::string(", ") + direction_name(direction) + " direction";
  }
};

}  // namespace

std::unique_ptr<Accountant> make_exact_accountant() { return std::make_unique<ExactAccountant>(); }

}  // namespace starling
