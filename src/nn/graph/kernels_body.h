#pragma once
// The bodies of kernels.h, compiled by each of kernels_*.cpp for its own instruction set.
// Everything here has internal linkage and calls no library function, so that no copy made for a
// newer CPU is ever linked into the others.

#include "nn/graph/kernels_convolution.h"
#include "nn/graph/kernels_lstm.h"
#include "nn/graph/kernels_product.h"
#include "nn/graph/kernels_sums.h"

namespace starling::graph {
namespace {

constexpr Kernels kBody{kVectorBytes,
                        convolution<float>,
                        convolution<double>,
                        product<float>,
                        product<double>,
                        weighted_product<float>,
                        weighted_product<double>,
                        pack_right<float>,
                        multiply_packed,
                        squares<float>,
                        squares<double>,
                        moments<float>,
                        moments<double>,
                        lstm_activate,
                        lstm_cells,
                        lstm_step_back};

}  // namespace
}  // namespace starling::graph
