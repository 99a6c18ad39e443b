#include "starling/train/batches.h"

#include <algorithm>
#include <numeric>

#include "starling/core/error.h"

namespace starling {

BatchSampler::BatchSampler(SamplingKind kind, int64_t examples, int64_t batch_size,
                           double sample_rate, StreamOwner owner)
    : kind_(kind),
      examples_(examples),
      batch_size_(std::min(batch_size, examples)),
      sample_rate_(sample_rate),
      owner_(std::move(owner)) {
  if (examples < 1) throw Error("a client without examples cannot draw batches");
  if (kind != SamplingKind::poisson && batch_size < 1)
    throw Error("batch_size " + std::to_string(batch_size) + " is below 1");
}

std::vector<int64_t> BatchSampler::batch(int64_t step) {
  if (kind_ == SamplingKind::shuffle) return shuffled_batch(step);
  RandomStream stream(owner_.key, {Purpose::example_sampling, owner_.client, owner_.round, step});
  return kind_ == SamplingKind::poisson ? stream.poisson_sample(examples_, sample_rate_)
                                        : stream.subset(examples_, batch_size_);
}

std::vector<int64_t> BatchSampler::shuffled_batch(int64_t step) {
  const int64_t steps_per_epoch = (examples_ + batch_size_ - 1) / batch_size_;
  const int64_t epoch = step / steps_per_epoch;
  if (epoch != epoch_) {
    order_.resize(static_cast<size_t>(examples_));
    std::iota(order_.begin(), order_.end(), 0);
    RandomStream(owner_.key, {Purpose::shuffle, owner_.client, owner_.round, epoch})
        .shuffle(order_);
    epoch_ = epoch;
  }
  const int64_t first = (step % steps_per_epoch) * batch_size_;
  const int64_t last = std::min(first + batch_size_, examples_);
  return {order_.begin() + first, order_.begin() + last};
}

}  // namespace starling
