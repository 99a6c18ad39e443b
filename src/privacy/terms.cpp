#include "privacy/terms.h"

#include <cmath>
#include <limits>
#include <map>

#include "privacy/numeric.h"
#include "starling/core/error.h"
#include "starling/privacy/adaptive_clipping.h"
#include "starling/privacy/event_json.h"
#include "starling/privacy/tree.h"

namespace starling {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

const char* mechanism_name(const Mechanism& mechanism) {
  constexpr const char* kNames[] = {
      "gaussian", "discrete_gaussian", "laplace",           "randomized_response",
      "tree",     "adaptive_clipping", "select_and_repeat", "none"};
  return kNames[mechanism.index()];
}

// One event on its way to a term: where it stands, what relation it is under.
struct Reader {
  std::string place;
  Relation relation;

  [[noreturn]] void fail(const std::string& problem) const { throw InputError(place, problem); }

  double noise(const char* field, double value) const {
    if (!(value >= 0.0))
      fail(std::string(field) + " " + number_text(value) + " is outside [0, inf]");
    return value;
  }

  void refuse_sampling(const Sampling& sampling, const char* instead) const {
    if (!std::holds_alternative<NoSampling>(sampling)) {
      fail(std::string("has no proven bound with sampling; ") + instead);
    }
  }

  // Clips that one neighbour may move the sum by.
  double sensitivity() const { return relation == Relation::replace_one ? 2.0 : 1.0; }

  std::vector<Term> one(TermKind kind, bool relaxed = false) const {
    return {Term{std::move(kind), 1.0, place, relaxed}};
  }

  std::vector<Term> gaussian_of(double mu, bool relaxed = false) const {
    const double mu_squared = mu * mu;
    if (mu_squared == 0.0) return {};
    if (!std::isfinite(mu_squared)) return one(UnboundedTerm{});
    return one(GaussianTerm{mu_squared}, relaxed);
  }

  std::vector<Term> gaussian(double noise_multiplier, const Sampling& sampling) const;
  std::vector<Term> poisson_gaussian(double noise_multiplier, double rate) const;
  std::vector<Term> fixed_size_gaussian(double noise_multiplier, const WithoutReplacement& s) const;
  double poisson_rate(const PoissonSampling& s) const;

  std::vector<Term> read(const GaussianMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const DiscreteGaussianMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const LaplaceMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const RandomizedResponseMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const TreeMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const AdaptiveClippingMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const SelectAndRepeatMechanism& m, const Sampling& sampling) const;
  std::vector<Term> read(const NonPrivateMechanism&, const Sampling&) const {
    return one(UnboundedTerm{});
  }
};

double Reader::poisson_rate(const PoissonSampling& s) const {
  if (!(s.rate >= 0.0 && s.rate <= 1.0)) {
    fail("sampling rate " + number_text(s.rate) + " is outside [0, 1]");
  }
  return s.rate;
}

std::vector<Term> Reader::poisson_gaussian(double noise_multiplier, double rate) const {
  if (rate == 0.0 || noise_multiplier == kInf) return {};
  if (rate == 1.0) return gaussian_of(sensitivity() / noise_multiplier);
  const double inverse = 1.0 / noise_multiplier;
  if (!std::isfinite(inverse * inverse)) return one(UnboundedTerm{});
  return one(PoissonGaussianTerm{rate, noise_multiplier, relation == Relation::replace_one});
}

std::vector<Term> Reader::fixed_size_gaussian(double noise_multiplier,
                                              const WithoutReplacement& s) const {
  if (!(s.examples >= 1 && s.batch >= 0 && s.batch <= s.examples)) {
    fail("batch " + std::to_string(s.batch) + " of " + std::to_string(s.examples) +
         " examples: 0 <= batch <= examples and examples >= 1 are needed");
  }
  if (relation != Relation::replace_one) {
    fail("sampling without replacement is bounded under replace_one only, not " +
         to_string(relation) + "; sample by Poisson coins or use relation replace_one");
  }
  if (s.batch == 0 || noise_multiplier == kInf) return {};
  if (s.batch == s.examples) return gaussian_of(2.0 / noise_multiplier);
  const double inverse = 2.0 / noise_multiplier;
  if (!std::isfinite(inverse * inverse)) return one(UnboundedTerm{});
  return one(WithoutReplacementTerm{static_cast<double>(s.batch) / static_cast<double>(s.examples),
                                    noise_multiplier / 2.0});
}

std::vector<Term> Reader::gaussian(double noise_multiplier, const Sampling& sampling) const {
  return std::visit(
      Overloaded{
          [&](const NoSampling&) { return gaussian_of(sensitivity() / noise_multiplier); },
          [&](const PoissonSampling& s) {
            return poisson_gaussian(noise_multiplier, poisson_rate(s));
          },
          [&](const WithoutReplacement& s) { return fixed_size_gaussian(noise_multiplier, s); },
      },
      sampling);
}

std::vector<Term> Reader::read(const GaussianMechanism& m, const Sampling& sampling) const {
  return gaussian(noise("noise_multiplier", m.noise_multiplier), sampling);
}

std::vector<Term> Reader::read(const AdaptiveClippingMechanism& m, const Sampling& sampling) const {
  noise("noise_multiplier", m.noise_multiplier);
  noise("bit_noise_multiplier", m.bit_noise_multiplier);
  if (m.noise_multiplier > 0.0 && !(m.bit_noise_multiplier == kInf)) {
    adaptive_clipping_noise_multiplier(m.noise_multiplier, m.bit_noise_multiplier);
  }
  return gaussian(m.noise_multiplier, sampling);
}

std::vector<Term> Reader::read(const DiscreteGaussianMechanism& m, const Sampling& sampling) const {
  noise("noise_multiplier", m.noise_multiplier);
  refuse_sampling(sampling, "use the gaussian mechanism for sampled releases");
  if (m.noise_multiplier == kInf) return {};
  const double mu = sensitivity() / m.noise_multiplier;
  if (!std::isfinite(mu * mu)) return one(UnboundedTerm{});
  return one(ZcdpTerm{mu * mu / 2.0});
}

std::vector<Term> Reader::read(const LaplaceMechanism& m, const Sampling& sampling) const {
  noise("scale", m.scale);
  double rate = 1.0;
  if (const auto* poisson = std::get_if<PoissonSampling>(&sampling)) {
    rate = poisson_rate(*poisson);
    if (rate < 1.0 && relation == Relation::replace_one) {
      fail("Poisson-sampled Laplace is bounded under add_remove and zero_out only");
    }
  } else {
    refuse_sampling(sampling, "use no sampling or Poisson coins");
  }
  if (rate == 0.0 || m.scale == kInf) return {};
  const double scale = m.scale / sensitivity();
  if (!std::isfinite(1.0 / scale)) return one(UnboundedTerm{});
  return one(LaplaceTerm{scale, rate});
}

std::vector<Term> Reader::read(const RandomizedResponseMechanism& m,
                               const Sampling& sampling) const {
  if (!(m.probability >= 0.0 && m.probability <= 1.0)) {
    fail("probability " + number_text(m.probability) + " is outside [0, 1]");
  }
  if (m.categories < 2) fail("categories " + std::to_string(m.categories) + " is below 2");
  refuse_sampling(sampling, "use no sampling");
  const double other = (1.0 - m.probability) / static_cast<double>(m.categories - 1);
  const double high = std::max(m.probability, other);
  const double low = std::min(m.probability, other);
  if (high == low) return {};
  if (low == 0.0) return one(UnboundedTerm{});
  return one(ResponseTerm{high, low, static_cast<double>(m.categories - 2) * other});
}

std::vector<Term> Reader::read(const TreeMechanism& m, const Sampling& sampling) const {
  noise("noise_multiplier", m.noise_multiplier);
  refuse_sampling(sampling, "a tree's schedule is fixed");
  if (relation == Relation::add_remove) {
    fail(
        "a tree's schedule of participations is public, so it is bounded under zero_out and "
        "replace_one, not add_remove");
  }
  if (m.restarts < 0) fail("restarts " + std::to_string(m.restarts) + " is below 0");
  const TreeSensitivity tree = [&] {
    try {
      return tree_sensitivity(m.leaves, m.max_participations, m.min_separation);
    } catch (const InputError& error) {
      fail(error.what());
    }
  }();
  const double scale = static_cast<double>(m.restarts) * tree.squared;
  return gaussian_of(sensitivity() * std::sqrt(scale) / m.noise_multiplier, !tree.exact);
}

std::vector<Term> Reader::read(const SelectAndRepeatMechanism& m, const Sampling& sampling) const {
  refuse_sampling(sampling, "put the sampling into the repeated event");
  if (!m.event) fail("names no event to repeat");
  if (std::holds_alternative<SelectAndRepeatMechanism>(m.event->mechanism)) {
    fail("a selection among selections has no proven bound; name one event");
  }
  std::vector<Term> base = resolve_terms(std::span(m.event.get(), 1), relation);
  if (base.empty()) return {};
  return one(SelectTerm{std::move(base), m.distribution, m.parameters});
}

std::vector<Term> read_event(const Event& event, Relation relation, size_t index) {
  Reader reader{"event " + std::to_string(index) + " (" + mechanism_name(event.mechanism) + ")",
                relation};
  if (event.count < 0) reader.fail("count " + std::to_string(event.count) + " is below 0");
  std::vector<Term> terms =
      std::visit([&](const auto& mechanism) { return reader.read(mechanism, event.sampling); },
                 event.mechanism);
  for (Term& term : terms) term.count = static_cast<double>(event.count);
  if (event.count == 0) terms.clear();
  return terms;
}

std::vector<double> sort_key(const Term& term) {
  const double kind = static_cast<double>(term.kind.index());
  return std::visit(Overloaded{
                        [&](const GaussianTerm& t) {
                          return std::vector{kind, t.mu_squared};
                        },
                        [&](const PoissonGaussianTerm& t) {
                          return std::vector{kind, t.sigma, t.rate, t.replace ? 1.0 : 0.0};
                        },
                        [&](const LaplaceTerm& t) {
                          return std::vector{kind, t.scale, t.rate};
                        },
                        [&](const ResponseTerm& t) {
                          return std::vector{kind, t.high, t.low, t.rest};
                        },
                        [&](const ZcdpTerm& t) {
                          return std::vector{kind, t.rho};
                        },
                        [&](const WithoutReplacementTerm& t) {
                          return std::vector{kind, t.sigma, t.rate};
                        },
                        [&](const SelectTerm&) { return std::vector{kind}; },
                        [&](const UnboundedTerm&) { return std::vector{kind}; },
                    },
                    term.kind);
}

}  // namespace

// Terms are sorted, so that the order of events does not change a single bit of the answer.
std::vector<Term> resolve_terms(std::span<const Event> events, Relation relation) {
  std::map<std::vector<double>, Term> merged;
  std::vector<Term> selections;
  for (size_t i = 0; i < events.size(); ++i) {
    for (Term& term : read_event(events[i], relation, i)) {
      if (std::holds_alternative<SelectTerm>(term.kind)) {
        selections.push_back(std::move(term));
        continue;
      }
      const auto [place, fresh] = merged.try_emplace(sort_key(term), term);
      if (fresh) continue;
      place->second.count += term.count;
      place->second.relaxed |= term.relaxed;
    }
  }
  std::vector<Term> terms;
  for (auto& [key, term] : merged) terms.push_back(std::move(term));
  for (Term& term : selections) terms.push_back(std::move(term));
  return terms;
}

// Poisson sampling turns the ratio e^x into 1 - q + q e^x; the larger of its two directions is
// this.
double largest_loss(const TermKind& kind) {
  if (const auto* laplace = std::get_if<LaplaceTerm>(&kind)) {
    const double x = 1.0 / laplace->scale;
    if (laplace->rate == 1.0) return x;
    return log_add_exp(std::log1p(-laplace->rate), std::log(laplace->rate) + x);
  }
  if (const auto* response = std::get_if<ResponseTerm>(&kind)) {
    return std::log(response->high / response->low);
  }
  return kInf;
}

void check_delta(double delta) {
  if (!(delta >= 0.0 && delta <= 1.0)) {
    throw InputError("delta", number_text(delta) + " is outside [0, 1]");
  }
}

void check_epsilon(double epsilon) {
  if (!(epsilon >= 0.0)) {
    throw InputError("epsilon", number_text(epsilon) + " is outside [0, inf]");
  }
}

}  // namespace starling
