// What accounting costs over random cases of the announced range, in CPU time of one thread:
// q in [1e-6, 1], sigma in [0.3, 100], T in [1, 1e6], delta in [1e-15, 1e-3], each even in its
// logarithm. A case's target is the exact epsilon of its parameters or, with --targets, even in
// the logarithm from 0.01 to 100.
//   bench_accounting_cases [--cases N] [--seed S] [--targets] [--rare] [--replace-one] [--rows]
//                          [question ...]
// --rare draws from the corner where few releases matter: q in [1e-6, 1e-3], sigma in [0.3, 1.3],
// delta from 1e-15 to 1e-6 or to the chance of taking part at all.
// Questions: epsilon noise rate steps delta; all of them without one. A loose epsilon has a
// certified error above 0.1 % and above 2e-3.

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "starling/privacy/calibrate.h"

namespace starling {
namespace {

struct Options {
  int cases = 60;
  uint64_t seed = 1;
  bool rows = false;
  bool targets = false;
  bool rare = false;
  Relation relation = Relation::add_remove;
  std::vector<std::string> questions;
};

struct Case {
  double rate, noise_multiplier;
  int64_t steps;
  double delta;
};

double cpu_milliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

// Counts the questions put to the exact accountant.
class Counting : public Accountant {
 public:
  std::string name() const override { return exact_->name(); }
  PrivacyBound epsilon(std::span<const Event> events, Relation relation,
                       double delta) const override {
    ++evaluations;
    return last = exact_->epsilon(events, relation, delta);
  }
  PrivacyBound delta(std::span<const Event> events, Relation relation,
                     double epsilon) const override {
    ++evaluations;
    return exact_->delta(events, relation, epsilon);
  }
  mutable int evaluations = 0;
  mutable PrivacyBound last;

 private:
  std::unique_ptr<Accountant> exact_ = make_accountant("exact");
};

double log_uniform(std::mt19937_64& random, double low, double high) {
  const double share = static_cast<double>(random() >> 11) * 0x1p-53;
  return low * std::pow(high / low, share);
}

Case rare_case(std::mt19937_64& random) {
  Case c;
  c.rate = log_uniform(random, 1e-6, 1e-3);
  c.noise_multiplier = log_uniform(random, 0.3, 1.3);
  c.steps = std::llround(log_uniform(random, 1.0, 1e6));
  const double part = -std::expm1(static_cast<double>(c.steps) * std::log1p(-c.rate));
  const double near = log_uniform(random, 1e-4, 1.0) * part;
  const double any = log_uniform(random, 1e-15, 1e-6);
  c.delta = random() % 2 == 0 ? any : std::clamp(near, 1e-15, 1e-3);
  return c;
}

Case random_case(std::mt19937_64& random) {
  Case c;
  c.rate = log_uniform(random, 1e-6, 1.0);
  c.noise_multiplier = log_uniform(random, 0.3, 100.0);
  c.steps = std::llround(log_uniform(random, 1.0, 1e6));
  c.delta = log_uniform(random, 1e-15, 1e-3);
  return c;
}

Composition composition(const Case& c, Relation relation) {
  return {relation, {{GaussianMechanism{c.noise_multiplier}, PoissonSampling{c.rate}, c.steps}}};
}

double answer(const std::string& question, const Accountant& accountant, Case c, double epsilon,
              Relation relation) {
  const PrivacyTarget target{epsilon, c.delta};
  const Composition whole = composition(c, relation);
  if (question == "epsilon") return accountant.epsilon(whole.events, relation, c.delta).epsilon;
  if (question == "delta") return accountant.delta(whole.events, relation, epsilon).delta;
  if (question == "noise") return calibrate_noise_multiplier(accountant, target, whole);
  if (question == "rate") {
    return calibrate_sample_rate(accountant, target, [&](double rate) {
      c.rate = rate;
      return composition(c, relation);
    });
  }
  if (question != "steps") {
    std::fprintf(stderr, "unknown question %s\n", question.c_str());
    std::exit(2);
  }
  return static_cast<double>(calibrate_steps(accountant, target, [&](int64_t steps) {
    c.steps = steps;
    return composition(c, relation);
  }));
}

// Cases that spend nothing are left out.
std::vector<std::pair<Case, double>> random_cases(const Options& options) {
  const auto exact = make_accountant("exact");
  std::mt19937_64 random(options.seed);
  std::vector<std::pair<Case, double>> cases;
  while (static_cast<int>(cases.size()) < options.cases) {
    const Case c = options.rare ? rare_case(random) : random_case(random);
    const Composition whole = composition(c, options.relation);
    const double epsilon = options.targets
                               ? log_uniform(random, 0.01, 100.0)
                               : exact->epsilon(whole.events, options.relation, c.delta).epsilon;
    if (epsilon > 0.0) cases.emplace_back(c, epsilon);
  }
  return cases;
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void measure(const std::string& question, const std::vector<std::pair<Case, double>>& cases,
             const Options& options) {
  std::vector<double> times;
  int evaluations = 0, most = 0, loose = 0;
  for (const auto& [c, epsilon] : cases) {
    const Counting accountant;
    const double start = cpu_milliseconds();
    const double value = answer(question, accountant, c, epsilon, options.relation);
    times.push_back(cpu_milliseconds() - start);
    evaluations += accountant.evaluations;
    most = std::max(most, accountant.evaluations);
    const PrivacyBound& last = accountant.last;
    const bool is_loose =
        question == "epsilon" && !(last.error <= std::max(2e-3, 1e-3 * last.epsilon));
    loose += is_loose;
    if (options.rows) {
      std::printf("%s q %.17g sigma %.17g T %lld delta %.17g epsilon %.8g -> %.8g: %.1f ms, %d",
                  question.c_str(), c.rate, c.noise_multiplier, static_cast<long long>(c.steps),
                  c.delta, epsilon, value, times.back(), accountant.evaluations);
      if (question == "epsilon") {
        std::printf(", error %.3g%s, %s", last.error, is_loose ? " LOOSE" : "",
                    last.detail.c_str());
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  std::sort(times.begin(), times.end());
  const auto above = times.end() - std::upper_bound(times.begin(), times.end(), 300.0);
  std::printf(
      "%-8s median %7.1f ms, p90 %7.1f ms, max %7.1f ms, above 300 ms: %td of %zu; "
      "evaluations: mean %.1f, most %d",
      question.c_str(), percentile(times, 0.5), percentile(times, 0.9), times.back(), above,
      times.size(), static_cast<double>(evaluations) / static_cast<double>(times.size()), most);
  if (question == "epsilon") std::printf("; loose: %d", loose);
  std::printf("\n");
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--cases" && i + 1 < argc) {
      options.cases = std::atoi(argv[++i]);
    } else if (word == "--seed" && i + 1 < argc) {
      options.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--replace-one") {
      options.relation = Relation::replace_one;
    } else if (word == "--rare") {
      options.rare = true;
    } else if (word == "--targets") {
      options.targets = true;
    } else if (word == "--rows") {
      options.rows = true;
    } else {
      options.questions.push_back(word);
    }
  }
  if (options.questions.empty()) options.questions = {"epsilon", "noise", "rate", "steps", "delta"};
  return options;
}

}  // namespace
}  // namespace starling

int main(int argc, char** argv) {
  const starling::Options options = starling::parse(argc, argv);
  const auto cases = starling::random_cases(options);
  for (const std::string& question : options.questions) {
    starling::measure(question, cases, options);
  }
}
