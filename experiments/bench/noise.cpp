// What noise and sampling cost on one thread: the counter `a_value` is the time a value.
//   bench_noise --benchmark_repetitions=9 --benchmark_report_aggregates_only
// The vector has 199,210 values, the parameters of the 2NN of McMahan et al. 2017.

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "starling/core/grid.h"
#include "starling/core/random.h"
#include "starling/privacy/mechanism.h"

namespace starling {
namespace {

constexpr int64_t kSize = 199210;

RandomStream stream_of(bool secure) {
  const RandomKey key = secure ? RandomKey::from_system() : RandomKey::from_seed(1);
  return RandomStream(key, {Purpose::probe});
}

// Time a value, as a counter that Google Benchmark prints in ns or ps.
void report(benchmark::State& state, int64_t values) {
  state.counters["a_value"] =
      benchmark::Counter(static_cast<double>(state.iterations() * values),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <typename Value>
void add_normal(benchmark::State& state, bool secure) {
  RandomStream stream = stream_of(secure);
  std::vector<Value> values(kSize);
  for (auto _ : state) {
    stream.add_normal(std::span<Value>(values), 1.0);
    benchmark::ClobberMemory();
  }
  report(state, kSize);
}
void add_normal_float(benchmark::State& state, bool secure) { add_normal<float>(state, secure); }
BENCHMARK_CAPTURE(add_normal_float, aes, true);
BENCHMARK_CAPTURE(add_normal_float, philox, false);

void add_normal_double(benchmark::State& state, bool secure) { add_normal<double>(state, secure); }
BENCHMARK_CAPTURE(add_normal_double, aes, true);
BENCHMARK_CAPTURE(add_normal_double, philox, false);

void words(benchmark::State& state, bool secure) {
  RandomStream stream = stream_of(secure);
  for (auto _ : state) benchmark::DoNotOptimize(stream.next());
  report(state, 1);
}
BENCHMARK_CAPTURE(words, aes, true);
BENCHMARK_CAPTURE(words, philox, false);

void open_stream(benchmark::State& state, bool secure) {
  const RandomKey key = secure ? RandomKey::from_system() : RandomKey::from_seed(1);
  int64_t step = 0;
  for (auto _ : state) {
    RandomStream stream(key, {Purpose::noise, 1, 2, ++step});
    benchmark::DoNotOptimize(stream.next());
  }
  report(state, 1);
}
BENCHMARK_CAPTURE(open_stream, aes, true);
BENCHMARK_CAPTURE(open_stream, philox, false);

// Argument: one over the sample rate. A coin an example.
void poisson_sample(benchmark::State& state) {
  constexpr int64_t kExamples = 60000;
  RandomStream stream = stream_of(true);
  const double rate = 1.0 / static_cast<double>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(stream.poisson_sample(kExamples, rate));
  report(state, kExamples);
}
BENCHMARK(poisson_sample)->Arg(4)->Arg(100)->Arg(10000);

GridSum grid_sum() { return GridSum(choose_grid({1.0, 1000000, 1.0}), kSize); }

void grid_noise(benchmark::State& state, bool secure) {
  RandomStream stream = stream_of(true);
  GridSum sum = grid_sum();
  const GaussianNoise noise(1.0, 1.0);
  for (auto _ : state) {
    sum.clear();
    secure ? noise.add_secure(sum, stream) : noise.add_fast(sum, stream);
  }
  report(state, kSize);
}
BENCHMARK_CAPTURE(grid_noise, fast, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(grid_noise, secure, true)->Unit(benchmark::kMillisecond);

void discrete_gaussian(benchmark::State& state) {
  RandomStream stream = stream_of(true);
  std::vector<int64_t> values(10000);
  const DiscreteGaussianNoise noise(static_cast<double>(state.range(0)), 1.0);
  for (auto _ : state) noise.add_secure(values, stream);
  report(state, std::ssize(values));
}
BENCHMARK(discrete_gaussian)->Arg(1)->Arg(1000)->Unit(benchmark::kMillisecond);

void clip_to_grid(benchmark::State& state) {
  RandomStream stream = stream_of(true);
  std::vector<float> values(kSize);
  stream.add_normal(std::span<float>(values), 1.0);
  const GridSum sum = grid_sum();
  std::vector<int64_t> out(kSize);
  for (auto _ : state) clip_to_grid(sum.grid(), std::span<const float>(values), out);
  report(state, kSize);
}
BENCHMARK(clip_to_grid);

void grid_add(benchmark::State& state) {
  GridSum sum = grid_sum();
  const std::vector<int64_t> values(kSize, 12345);
  for (auto _ : state) {
    state.PauseTiming();
    if (sum.weight() > 999000) sum.clear();
    state.ResumeTiming();
    sum.add(values, state.range(0));
  }
  report(state, kSize);
}
BENCHMARK(grid_add)->Arg(1)->Arg(600);

}  // namespace
}  // namespace starling

BENCHMARK_MAIN();
