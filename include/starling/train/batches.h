#pragma once
// Which examples each local step takes. The draw is a function of (key, client, round, step): a
// resumed round draws the same batches. Under DP the key is secret and the sampler is made from the
// plan that the noise and the ledger come from.

#include <cstdint>
#include <vector>

#include "starling/core/random.h"
#include "starling/privacy/plan.h"

namespace starling {

// Whose streams are drawn from, and when.
struct StreamOwner {
  RandomKey key;
  int64_t client = -1;
  int64_t round = -1;
};

class BatchSampler {
 public:
  // Batches of 0..examples-1. poisson: one coin of `sample_rate` an example and step, batches may
  // be empty; shuffle: a fresh permutation an epoch, cut into batches of `batch_size`, the last one
  // may be short; fixed: min(batch_size, examples) examples a step without replacement.
  BatchSampler(SamplingKind kind, int64_t examples, int64_t batch_size, double sample_rate,
               StreamOwner owner);

  // Steps are asked for in ascending order, from 0.
  std::vector<int64_t> batch(int64_t step);

 private:
  std::vector<int64_t> shuffled_batch(int64_t step);

  SamplingKind kind_;
  int64_t examples_;
  int64_t batch_size_;
  double sample_rate_;
  StreamOwner owner_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;  // this epoch's permutation
};

}  // namespace starling
