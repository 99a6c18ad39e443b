#pragma once
// The floating values of a state as one vector of doubles, in the order of its tensors: parameters
// first, then buffers. Integer tensors (counters of batches) are left out.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "starling/nn/state.h"

namespace starling {

class FlatLayout {
 public:
  struct Part {
    std::string name;
    int64_t first = 0;  // its first value's place in the vector
    int64_t size = 0;
    bool buffer = false;
  };

  // Names, shapes and dtypes of `state`; its values are not kept. Errors: Error for a floating
  // dtype other than float32 and float64.
  explicit FlatLayout(const StateDict& state);

  int64_t size() const { return size_; }
  const std::vector<Part>& parts() const { return parts_; }

  // `state` must have the layout's tensors (check_same_layout); `values` its size.
  void read(const StateDict& state, std::span<double> values) const;
  // values = a - b.
  void read_difference(const StateDict& a, const StateDict& b, std::span<double> values) const;
  // Rounds to each tensor's dtype; integer tensors are left as they are.
  void write(std::span<const double> values, StateDict& state) const;

 private:
  std::vector<Part> parts_;
  std::vector<size_t> tensors_;  // of each part: its place in the state
  int64_t size_ = 0;
};

}  // namespace starling
