#pragma once
// A device that is not the CPU, on machines without a GPU. Its arithmetic is the CPU's; everything
// else is as on a GPU: tensors that are not is_cpu(), memory that the CPU cannot read by their
// pointers, no operation between devices, layers that take other routes through LibTorch, and
// backward passes on a thread of the device's own. It is LibTorch's PrivateUse1 backend.
//
// Hence it finds what is wrong with devices, threads and pointers. It says nothing about the
// rounding of a GPU's kernels, its speed, or kernels that run on after their call has returned.

#include <torch/types.h>

namespace starling::testing {

// Registered at the first call, which comes before any backward pass (test_device.h sees to that).
torch::Device stand_in_device();

// A broken device: while one lives, weight gradients of convolutions with more than one group come
// out 1 % too large.
struct WrongConvolutions {
  WrongConvolutions();
  ~WrongConvolutions();
};

}  // namespace starling::testing
