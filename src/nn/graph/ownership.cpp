#include "nn/graph/ownership.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "starling/core/error.h"

namespace starling::graph {
namespace {

constexpr int64_t kBase = 32, kOffset = 16;  // roots 2^-16 to 2^15
constexpr float kSmallest = 0x1p40;          // times the smallest normal number: exact below it too

// What the gradients under all roots say about one entry.
enum class Evidence {
  none,     // zero, whichever example owns it
  owned,    // exact ratios that name an example
  mixed,    // ratios that no single loss explains
  unknown,  // too small or not finite
};

struct Entry {
  Evidence evidence;
  int64_t owner;  // valid where `owned`
};

// What a digit may be instead.
constexpr int8_t kInexact = -1, kNotFinite = -2;

template <class T>
int8_t read_digit(T one, T under_digit) {
  if (!std::isfinite(one) || !std::isfinite(under_digit)) return kNotFinite;
  int exponent = 0;
  if (std::frexp(under_digit / one, &exponent) != T(0.5)) return kInexact;
  const int64_t value = exponent - 1 + kOffset;
  return value >= 0 && value < kBase ? static_cast<int8_t>(value) : kInexact;
}

template <class T>
torch::Tensor read_digits_of(const torch::Tensor& ones, const torch::Tensor& under_digit) {
  auto digits = torch::empty(ones.sizes(), torch::kInt8);
  const T* const one = ones.const_data_ptr<T>();
  const T* const other = under_digit.const_data_ptr<T>();
  auto* const out = digits.mutable_data_ptr<int8_t>();
  for (int64_t i = 0; i < ones.numel(); ++i) out[i] = read_digit(one[i], other[i]);
  return digits;
}

// Entries of one gradient, contiguous on the CPU, and their digits.
template <class T>
class Entries {
 public:
  Entries(const torch::Tensor& ones, const std::vector<torch::Tensor>& digits, int64_t batch)
      : ones_(ones.const_data_ptr<T>()), batch_(batch) {
    for (const auto& digit : digits) digits_.push_back(digit.const_data_ptr<int8_t>());
  }

  Entry operator[](int64_t i) const {
    const T one = ones_[i];
    if (one == 0) return {Evidence::none, 0};
    bool certain = std::abs(one) >= kSmallest * std::numeric_limits<T>::min(), exact = true;
    int64_t owner = 0, place = 1;
    for (const int8_t* digit : digits_) {
      exact = exact && digit[i] >= 0;
      certain = certain && digit[i] != kNotFinite;
      owner += digit[i] * place;
      place *= kBase;
    }
    if (exact && owner < batch_) return {Evidence::owned, owner};
    return {certain ? Evidence::mixed : Evidence::unknown, 0};
  }

 private:
  const T* ones_;
  std::vector<const int8_t*> digits_;
  int64_t batch_;
};

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

// The owner of entry `i` of a contiguous tensor is i / step % batch.
int64_t entries_of_one_owner(const Layout& layout, torch::IntArrayRef sizes) {
  int64_t step = layout.inner;
  for (size_t axis = layout.axis + 1; axis < sizes.size(); ++axis) step *= sizes[axis];
  return step;
}

template <class T>
class Search {
 public:
  Search(const torch::Tensor& ones, const std::vector<torch::Tensor>& digits, int64_t batch)
      : sizes_(ones.sizes()), count_(ones.numel()), batch_(batch), entries_(ones, digits, batch) {}

  Ownership run() {
    Ownership result;
    bool unknown = false;
    for (int64_t i = 0; i < count_; ++i) {
      const auto evidence = entries_[i].evidence;
      unknown = unknown || evidence == Evidence::unknown;
      if (evidence != Evidence::mixed) continue;
      result.verdict = Ownership::Verdict::mixed;
      return result;
    }
    auto layouts = candidates(sizes_, batch_);
    std::erase_if(layouts, [&](const Layout& layout) { return !explains(layout); });
    result.unique = layouts.size() == 1;
    if (!layouts.empty()) result.layout = layouts.front();
    if (!result.unique && unknown) {
      result.verdict = Ownership::Verdict::undecided;
    } else if (layouts.empty()) {
      result.layout.owners = all_owners();
    }
    return result;
  }

 private:
  bool explains(const Layout& layout) const {
    const int64_t step = entries_of_one_owner(layout, sizes_);
    int64_t owner = 0;
    for (int64_t begin = 0; begin < count_; begin += step) {
      for (int64_t i = begin; i < begin + step; ++i) {
        const auto entry = entries_[i];
        if (entry.evidence == Evidence::owned && entry.owner != owner) return false;
      }
      owner = owner + 1 == batch_ ? 0 : owner + 1;
    }
    return true;
  }

  torch::Tensor all_owners() const {
    auto owners = torch::empty(sizes_, torch::kInt64);
    auto* const out = owners.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < count_; ++i) {
      const auto entry = entries_[i];
      out[i] = entry.evidence == Evidence::owned ? entry.owner : -1;
    }
    return owners;
  }

  const torch::IntArrayRef sizes_;
  const int64_t count_, batch_;
  const Entries<T> entries_;
};

// Exact: float64 stays, everything narrower fits into float32.
torch::Tensor readable(const torch::Tensor& gradient) {
  if (!gradient.is_floating_point())
    throw Error(std::string("per-example gradients: a gradient of type ") +
                torch::toString(gradient.scalar_type()) + " is not supported");
  const auto type = gradient.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return gradient.to(torch::kCPU, type).contiguous();
}

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

torch::Tensor read_digits(const torch::Tensor& with_ones, const torch::Tensor& with_digit) {
  const auto ones = readable(with_ones), under_digit = readable(with_digit);
  return ones.scalar_type() == torch::kFloat64 ? read_digits_of<double>(ones, under_digit)
                                               : read_digits_of<float>(ones, under_digit);
}

Ownership infer_ownership(const torch::Tensor& with_ones, const std::vector<torch::Tensor>& digits,
                          int64_t batch) {
  const auto ones = readable(with_ones);
  auto result = ones.scalar_type() == torch::kFloat64 ? Search<double>(ones, digits, batch).run()
                                                      : Search<float>(ones, digits, batch).run();
  auto& owners = result.layout.owners;
  if (owners.defined()) owners = owners.to(with_ones.device());
  return result;
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
