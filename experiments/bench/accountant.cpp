// What accounting costs on one thread. The counter `epsilon` shows what was computed.
//   bench_accountant --benchmark_repetitions=5 --benchmark_report_aggregates_only

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "starling/privacy/accountant.h"
#include "starling/privacy/calibrate.h"

namespace starling {
namespace {

Event sampled(double rate, double noise_multiplier, int64_t count) {
  return {GaussianMechanism{noise_multiplier}, PoissonSampling{rate}, count};
}

void run(benchmark::State& state, const char* name, const std::vector<Event>& events,
         Relation relation, double delta) {
  const auto accountant = make_accountant(name);
  PrivacyBound bound;
  for (auto _ : state) {
    bound = accountant->epsilon(events, relation, delta);
    benchmark::DoNotOptimize(bound);
  }
  state.counters["epsilon"] = bound.epsilon;
  state.SetLabel(bound.detail);
}

void standard(benchmark::State& state, const char* name) {
  run(state, name, {sampled(0.01, 1.0, 10000)}, Relation::add_remove, 1e-5);
}
BENCHMARK_CAPTURE(standard, exact, "exact")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(standard, rdp, "rdp")->Unit(benchmark::kMillisecond);

// Where the transform decays slowly: (rate, noise multiplier, steps, delta).
void corner(benchmark::State& state, double rate, double sigma, int64_t count, double delta) {
  run(state, "exact", {sampled(rate, sigma, count)}, Relation::add_remove, delta);
}
BENCHMARK_CAPTURE(corner, few_steps, 0.1, 1.0, 10, 1e-6)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(corner, small_sigma, 0.01, 0.3, 10, 1e-5)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(corner, tiny_rate, 1e-6, 0.3, 10000, 1e-12)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(corner, tiny_rate_long, 1e-6, 0.3, 1000000, 1e-9)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(corner, tiny_delta, 1e-4, 1.0, 1000000, 1e-12)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(corner, large_sigma, 1e-5, 100.0, 1000, 1e-15)->Unit(benchmark::kMillisecond);

void replace_one(benchmark::State& state) {
  run(state, "exact", {sampled(0.01, 1.0, 10000)}, Relation::replace_one, 1e-5);
}
BENCHMARK(replace_one)->Unit(benchmark::kMillisecond);

void laplace(benchmark::State& state) {
  run(state, "exact", {{LaplaceMechanism{10.0}, NoSampling{}, 100}}, Relation::add_remove, 1e-6);
}
BENCHMARK(laplace)->Unit(benchmark::kMillisecond);

void thousand_events(benchmark::State& state, const char* name) {
  std::vector<Event> events;
  for (int i = 0; i < 1000; ++i) {
    events.push_back(sampled(0.005 + 1e-5 * i, 0.8 + 0.001 * i, 1 + i % 7));
  }
  run(state, name, events, Relation::add_remove, 1e-5);
}
BENCHMARK_CAPTURE(thousand_events, exact, "exact")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(thousand_events, rdp, "rdp")->Unit(benchmark::kMillisecond);

void calibration(benchmark::State& state) {
  const auto exact = make_accountant("exact");
  double noise_multiplier = 0.0;
  for (auto _ : state) {
    noise_multiplier = calibrate_noise_multiplier(
        *exact, {1.0, 1e-5}, Composition{Relation::add_remove, {sampled(0.01, 1.0, 10000)}});
  }
  state.counters["noise_multiplier"] = noise_multiplier;
}
BENCHMARK(calibration)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace starling

BENCHMARK_MAIN();
