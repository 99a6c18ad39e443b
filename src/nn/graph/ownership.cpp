#include "nn/graph/ownership.h"

#include <algorithm>
#include <limits>

namespace starling::graph {
namespace {

constexpr int64_t kBase = 16, kOffset = 8;  // roots 2^-8 to 2^7
constexpr double kSmallest = 0x1p40;        // times the smallest normal number: exact below it too

struct Entries {
  torch::Tensor owner;  // valid where `exact`
  torch::Tensor live, exact, unknown;
};

double smallest_certain(torch::ScalarType dtype) {
  return kSmallest * (dtype == torch::kFloat64
                          ? std::numeric_limits<double>::min()
                          : static_cast<double>(std::numeric_limits<float>::min()));
}

Entries read_entries(const torch::Tensor& ones, const Gradients& digits, int64_t batch) {
  Entries entries;
  entries.live = ones.ne(0);
  entries.owner = torch::zeros_like(ones, torch::kInt64);
  entries.exact = entries.live.clone();
  auto finite = ones.isfinite();
  int64_t place = 1;
  for (const auto& digit : digits) {
    const auto [mantissa, exponent] = torch::frexp(digit / ones);
    const auto value = exponent.to(torch::kInt64) - 1 + kOffset;
    entries.exact &= mantissa.eq(0.5) & value.ge(0) & value.lt(kBase);
    entries.owner += value * place;
    finite &= digit.isfinite();
    place *= kBase;
  }
  entries.exact &= finite & entries.owner.lt(batch);
  const auto certain = finite & ones.abs().ge(smallest_certain(ones.scalar_type()));
  entries.unknown = entries.live & ~entries.exact & ~certain;
  return entries;
}

torch::Tensor owners_along_axis(const Layout& layout, int64_t batch, int64_t dimensions) {
  const int64_t size = layout.outer * batch * layout.inner;
  const auto owners = torch::arange(size).div(layout.inner, "floor").remainder(batch);
  std::vector<int64_t> shape(dimensions, 1);
  shape[layout.axis] = size;
  return owners.view(shape);
}

// The axis that is the batch first, then time-major and batch-major axes, then every other split.
std::vector<Layout> candidates(torch::IntArrayRef sizes, int64_t batch) {
  std::vector<Layout> whole, flattened, rest;
  for (int64_t axis = 0; axis < static_cast<int64_t>(sizes.size()); ++axis) {
    if (sizes[axis] == 0 || sizes[axis] % batch != 0) continue;
    const int64_t copies = sizes[axis] / batch;
    for (int64_t inner = 1; inner <= copies; ++inner) {
      if (copies % inner != 0) continue;
      const Layout layout{axis, copies / inner, inner, false, {}};
      if (copies == 1) {
        whole.push_back(layout);
      } else if (inner == 1 || inner == copies) {
        flattened.push_back(layout);
      } else {
        rest.push_back(layout);
      }
    }
  }
  whole.insert(whole.end(), flattened.begin(), flattened.end());
  whole.insert(whole.end(), rest.begin(), rest.end());
  return whole;
}

// Owners of the entries [begin, end) of a contiguous tensor of these sizes.
torch::Tensor owners_between(const Layout& layout, torch::IntArrayRef sizes, int64_t batch,
                             int64_t begin, int64_t end) {
  int64_t step = 1;
  for (size_t axis = layout.axis + 1; axis < sizes.size(); ++axis) step *= sizes[axis];
  return torch::arange(begin, end).div(step * layout.inner, "floor").remainder(batch);
}

// Reads the entries piece by piece, so that what it takes beside the gradients stays small.
class Search {
 public:
  Search(const torch::Tensor& ones, const Gradients& digits, int64_t batch)
      : sizes_(ones.sizes().vec()), batch_(batch), ones_(ones.reshape(-1)) {
    for (const auto& digit : digits) digits_.push_back(digit.reshape(-1));
    layouts_ = candidates(sizes_, batch);
  }

  Ownership run() {
    for (int64_t begin = 0; begin < ones_.numel() && !mixed_; begin += kPiece) look_at(begin);
    Ownership result;
    if (mixed_) {
      result.verdict = Ownership::Verdict::mixed;
      return result;
    }
    result.unique = layouts_.size() == 1;
    if (!layouts_.empty()) result.layout = layouts_.front();
    if (!result.unique && unknown_) {
      result.verdict = Ownership::Verdict::undecided;
    } else if (layouts_.empty()) {
      result.layout.owners = all_owners();
    }
    return result;
  }

 private:
  static constexpr int64_t kPiece = int64_t{1} << 16;

  Entries entries(int64_t begin) const {
    const int64_t end = std::min(begin + kPiece, ones_.numel());
    Gradients digits;
    for (const auto& digit : digits_) digits.push_back(digit.slice(0, begin, end));
    return read_entries(ones_.slice(0, begin, end), digits, batch_);
  }

  void look_at(int64_t begin) {
    const auto piece = entries(begin);
    mixed_ = (piece.live & ~piece.exact & ~piece.unknown).any().item<bool>();
    unknown_ = unknown_ || piece.unknown.any().item<bool>();
    const int64_t end = begin + piece.live.numel();
    std::erase_if(layouts_, [&](const Layout& layout) {
      const auto owners = owners_between(layout, sizes_, batch_, begin, end).to(ones_.device());
      return (piece.exact & piece.owner.ne(owners)).any().item<bool>();
    });
  }

  torch::Tensor all_owners() const {
    Gradients owners{torch::empty({0}, torch::TensorOptions(torch::kInt64).device(ones_.device()))};
    for (int64_t begin = 0; begin < ones_.numel(); begin += kPiece) {
      const auto piece = entries(begin);
      owners.push_back(torch::where(piece.exact, piece.owner, -1));
    }
    return torch::cat(owners).view(sizes_);
  }

  const std::vector<int64_t> sizes_;
  const int64_t batch_;
  const torch::Tensor ones_;
  Gradients digits_;
  std::vector<Layout> layouts_;  // that explain all entries so far
  bool mixed_ = false, unknown_ = false;
};

}  // namespace

torch::Tensor examples_first(const torch::Tensor& gradient, const Layout& layout, int64_t batch) {
  if (gradient.dim() == 0) return gradient.unsqueeze(0);
  return gradient.unflatten(layout.axis, {layout.outer, batch, layout.inner})
      .movedim(layout.axis + 1, 0)
      .flatten(layout.axis + 1, layout.axis + 2);
}

torch::Tensor only_example(const torch::Tensor& gradient, const Layout& layout, int64_t batch,
                           int64_t example) {
  if (batch == 1) return gradient;
  const auto owners = layout.regular()
                          ? owners_along_axis(layout, batch, gradient.dim()).to(gradient.device())
                          : layout.owners;
  return torch::where(owners.eq(example), gradient, torch::zeros({}, gradient.options()));
}

torch::Tensor spread(const torch::Tensor& factors, const torch::Tensor& gradient,
                     const Layout& layout) {
  if (gradient.dim() == 0) return factors[0];
  const int64_t batch = factors.size(0);
  if (!layout.regular()) return factors.index({layout.owners.clamp_min(0)});
  std::vector<int64_t> shape(gradient.dim(), 1);
  shape[layout.axis] = gradient.size(layout.axis);
  return factors.view({1, batch, 1}).expand({layout.outer, batch, layout.inner}).reshape(shape);
}

Gradients digit_roots(const torch::Tensor& losses) {
  Gradients roots;
  const int64_t batch = losses.size(0);
  auto index = torch::arange(batch);
  for (int64_t place = 1; place < batch; place *= kBase) {
    const auto digit = index.div(place, "floor").remainder(kBase) - kOffset;
    roots.push_back(torch::pow(2.0, digit.to(torch::kFloat64)).to(losses.options()));
  }
  return roots;
}

Ownership infer_ownership(const torch::Tensor& with_ones, const Gradients& with_digits,
                          int64_t batch) {
  Search search(with_ones, with_digits, batch);
  return search.run();
}

bool fit_layout(Layout& layout, torch::IntArrayRef sizes, int64_t batch) {
  const auto dimensions = static_cast<int64_t>(sizes.size());
  if (layout.axis >= dimensions || sizes[layout.axis] % batch != 0) return false;
  const int64_t copies = sizes[layout.axis] / batch;
  if (layout.outer == 1 && layout.inner == 1) return copies == 1;
  if (layout.outer == 1) {
    layout.inner = copies;
  } else if (layout.inner == 1) {
    layout.outer = copies;
  }
  return layout.outer * layout.inner == copies;
}

}  // namespace starling::graph
