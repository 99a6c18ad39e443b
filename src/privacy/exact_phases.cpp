#include "privacy/exact_phases.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/vector_targets.h"

namespace starling {
namespace {

using Complex = std::complex<double>;

constexpr size_t kBlock = 64;   // points that follow each other by one product each
constexpr size_t kBlocks = 16;  // blocks that do, until sines are taken anew
constexpr size_t kChunk = 256;  // losses that are turned together, so that they stay in cache
constexpr size_t kLanes = 8;

typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));

// e^(itL) - 1, not e^(itL), so that small losses keep their digits.
struct Phases {
  Lanes re[kChunk / kLanes];
  Lanes im[kChunk / kLanes];
};

// Adds up both lists of weights (the second only if `two`), then turns the phases by one step.
template <bool two>
struct SumAndTurn {
  STARLING_INLINE static void run(Phases* here, const Phases* turn, const Lanes* first,
                                  const Lanes* second, size_t size, Complex* sums) {
    Lanes re[2] = {}, im[2] = {};
    for (size_t k = 0; k < size; ++k) {
      const Lanes x = here->re[k], y = here->im[k], dx = turn->re[k], dy = turn->im[k];
      re[0] += first[k] * x;
      im[0] += first[k] * y;
      if (two) {
        re[1] += second[k] * x;
        im[1] += second[k] * y;
      }
      here->re[k] = x + dx + x * dx - y * dy;
      here->im[k] = y + dy + x * dy + y * dx;
    }
    for (size_t w = 0; w < (two ? 2 : 1); ++w) {
      double total_re = 0.0, total_im = 0.0;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        total_re += re[w][lane];
        total_im += im[w][lane];
      }
      sums[w] = {total_re, total_im};
    }
  }
};

// Up to kChunk losses; those that are missing are 0 with weight 0.
struct Chunk {
  size_t size;  // in Lanes
  Lanes loss[kChunk / kLanes] = {};
  Lanes weight[2][kChunk / kLanes] = {};

  Chunk(const std::vector<double>& losses, const std::vector<const std::vector<double>*>& weights,
        size_t first) {
    const size_t count = std::min(kChunk, losses.size() - first);
    size = (count + kLanes - 1) / kLanes;
    std::memcpy(loss, &losses[first], count * sizeof(double));
    for (size_t w = 0; w < weights.size(); ++w) {
      std::memcpy(weight[w], &(*weights[w])[first], count * sizeof(double));
    }
  }

  void set(Phases& phases, double t) const {
    for (size_t k = 0; k < size; ++k) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const double half = 0.5 * t * loss[k][lane], sine = std::sin(half);
        phases.re[k][lane] = -2.0 * sine * sine;
        phases.im[k][lane] = 2.0 * sine * std::cos(half);
      }
    }
  }
};

void add_chunk(const Chunk& chunk, double step, std::vector<std::vector<Complex>>& sums) {
  const size_t points = sums[0].size();
  const bool two = sums.size() == 2;
  Phases turn, block_turn, start, here;
  chunk.set(turn, step);
  chunk.set(block_turn, step * kBlock);
  Complex sum[2];
  for (size_t first = 0; first < points; first += kBlock) {
    if (first % (kBlock * kBlocks) == 0) {
      chunk.set(start, step * static_cast<double>(first));
    } else {
      run_on<SumAndTurn<false>>(vector_target(), &start, &block_turn, chunk.weight[0],
                                chunk.weight[1], chunk.size, sum);
    }
    here = start;
    for (size_t j = first; j < std::min(first + kBlock, points); ++j) {
      if (two) {
        run_on<SumAndTurn<true>>(vector_target(), &here, &turn, chunk.weight[0], chunk.weight[1],
                                 chunk.size, sum);
        sums[1][j] += sum[1];
      } else {
        run_on<SumAndTurn<false>>(vector_target(), &here, &turn, chunk.weight[0], chunk.weight[1],
                                  chunk.size, sum);
      }
      sums[0][j] += sum[0];
    }
  }
}

}  // namespace

std::vector<std::vector<Complex>> phase_sums(const std::vector<double>& losses,
                                             const std::vector<const std::vector<double>*>& weights,
                                             double step, size_t points) {
  std::vector<std::vector<Complex>> sums(weights.size(), std::vector<Complex>(points));
  for (size_t first = 0; first < losses.size(); first += kChunk) {
    add_chunk(Chunk(losses, weights, first), step, sums);
  }
  return sums;
}

double phase_rounding(double t, double mean_size) { return 4e-14 * std::min(2.0, t * mean_size); }

}  // namespace starling
