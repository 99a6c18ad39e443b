#include "nn/graph/kept_rows.h"

#include <algorithm>

namespace starling::graph {
namespace {

constexpr int64_t kPieceBytes = int64_t{1} << 20;
constexpr int64_t kFullLength = 128;                      // from here on a byte is a byte
constexpr int64_t kDevicePieceBytes = int64_t{64} << 20;  // where each call costs a launch

}  // namespace

bool MemoryBudget::take(int64_t bytes, const Keeping& keeping) {
  const int64_t more = std::max<int64_t>(0, bytes - keeping.let_go);
  const int64_t price = more * kFullLength / std::clamp<int64_t>(keeping.length, 1, kFullLength);
  if (price > left_) return false;
  left_ -= price;
  return true;
}

int64_t ExampleRows::piece() const {
  const int64_t bytes = columns_ * static_cast<int64_t>(options_.dtype().itemsize());
  const int64_t most = options_.device().is_cpu() ? kPieceBytes : kDevicePieceBytes;
  return std::clamp<int64_t>(most / bytes, 1, examples_);
}

torch::Tensor ExampleRows::room(int64_t examples) const {
  return torch::empty({examples, columns_}, options_);
}

void ExampleRows::compute(const Compute& compute, MemoryBudget& budget, const Keeping& keeping) {
  const int64_t item = static_cast<int64_t>(options_.dtype().itemsize());
  const bool keep = budget.take(examples_ * columns_ * item, keeping);
  const auto scratch = keep ? torch::Tensor() : room(piece());
  for (int64_t begin = 0; begin < examples_; begin += piece()) {
    const int64_t count = std::min(piece(), examples_ - begin);
    auto rows = keep ? room(count) : scratch.slice(0, 0, count);
    compute(begin, rows);
    if (keep) pieces_.push_back(rows);
  }
}

torch::Tensor ExampleRows::weighted_sum(const torch::Tensor& factors,
                                        const Compute& compute) const {
  auto sum = torch::zeros({1, columns_}, options_);
  const auto scratch = kept() ? torch::Tensor() : room(piece());
  for (int64_t begin = 0; begin < examples_; begin += piece()) {
    const int64_t count = std::min(piece(), examples_ - begin);
    auto rows = kept() ? pieces_[static_cast<size_t>(begin / piece())] : scratch.slice(0, 0, count);
    if (!kept()) compute(begin, rows);
    sum.addmm_(factors.slice(0, begin, begin + count).unsqueeze(0), rows);
  }
  return sum;
}

torch::Tensor ExampleRows::row(int64_t example) const {
  return pieces_[static_cast<size_t>(example / piece())].slice(0, example % piece(),
                                                               example % piece() + 1);
}

void ExampleRows::forget(const torch::Tensor& examples) {
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const int64_t begin = static_cast<int64_t>(i) * piece();
    const auto kept = examples.slice(0, begin, begin + pieces_[i].size(0)).to(options_.device());
    pieces_[i] = torch::where(kept.view({-1, 1}), pieces_[i], torch::zeros({}, options_));
  }
}

}  // namespace starling::graph
