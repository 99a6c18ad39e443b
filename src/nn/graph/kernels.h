#pragma once
// Loops that decide the cost of a private step: per-example convolution weight gradients and sums
// of squares. Compiled for any x86-64, for AVX2 with FMA and for AVX-512; the CPU decides which
// runs.

#include <cstdint>

namespace starling::graph {

// A convolution of one example with up to three spatial axes (depth, height, width); absent ones
// have size 1. All sizes are positive.
struct ConvolutionShape {
  int64_t channels = 0, outputs = 0, groups = 1;
  int64_t input[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, output[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, padding[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};

  int64_t padded(int axis) const { return input[axis] + 2 * padding[axis]; }
  int64_t positions() const { return output[0] * output[1] * output[2]; }
  // Rows of a group's weight gradient: channel, depth, height, width of the kernel.
  int64_t rows() const { return channels / groups * kernel[0] * kernel[1] * kernel[2]; }
  // Output channels of a group, rounded up to whole vectors of `lanes`.
  int64_t columns(int64_t lanes) const { return (outputs / groups + lanes - 1) / lanes * lanes; }
};

// One time step of an LSTM, [batch, ...] each.
struct LstmStep {
  const float *gates, *cells, *squashed;  // activations; states before; tanh of the states after
  const float *output_gradient, *hidden_gradient;  // the first null where none flows in
  int64_t gate_step, output_step;                  // from one example to the next
  int64_t batch, hidden;
};

// left^T diag(factors) right, from rows that lie anywhere.
template <class T>
struct WeightedRows {
  const T* const* left;   // `length` pointers to rows of at least as many entries as are asked for
  const T* const* right;  // to rows of `columns` entries
  const T* factors;       // [length]
  int64_t length, columns;
};

struct Kernels {
  int64_t vector_bytes;
  // input: [channels, input]; gradient: [outputs, output]; result: [groups, rows, columns], set, or
  // added to where `add`. `scratch` holds scratch_size(shape) entries.
  void (*convolution_f32)(const float* input, const float* gradient, const ConvolutionShape& shape,
                          bool add, float* result, float* scratch);
  void (*convolution_f64)(const double* input, const double* gradient,
                          const ConvolutionShape& shape, bool add, double* result, double* scratch);
  // left: `length` pointers to rows of `rows` entries, right: to rows of `columns` entries; result:
  // [rows, columns], the sum over t of left[t] right[t]^T. Returns its sum of squares. `scratch`
  // holds product_scratch entries.
  double (*product_f32)(const float* const* left, const float* const* right, int64_t length,
                        int64_t rows, int64_t columns, float* result, float* scratch);
  double (*product_f64)(const double* const* left, const double* const* right, int64_t length,
                        int64_t rows, int64_t columns, double* result, double* scratch);
  // Rows `first` to `last` of result [..., columns] are set. `scratch` holds product_scratch
  // entries for as many rows and one panel of 64 columns.
  void (*weighted_product_f32)(const WeightedRows<float>& in, int64_t first, int64_t last,
                               float* result, float* scratch);
  void (*weighted_product_f64)(const WeightedRows<double>& in, int64_t first, int64_t last,
                               double* result, double* scratch);
  // right: `length` pointers to rows of `columns` entries; panels: length * (columns + 64) entries.
  void (*pack)(const float* const* right, int64_t length, int64_t columns, float* panels);
  // left: `rows` rows of `length` entries, `left_step` apart; result: [rows, columns], set.
  void (*multiply_packed)(const float* left, int64_t left_step, int64_t rows, const float* panels,
                          int64_t length, int64_t columns, float* result);
  // In double precision, so that 1e30 and 1e-30 have squares.
  double (*squares_f32)(const float* values, int64_t count);
  double (*squares_f64)(const double* values, int64_t count);
  // sum of a * b and sum of a, in double precision
  void (*moments_f32)(const float* a, const float* b, int64_t count, double* product, double* sum);
  void (*moments_f64)(const double* a, const double* b, int64_t count, double* product,
                      double* sum);
  // gates: [rows, 4 * hidden], sums turned into activations.
  void (*lstm_activate)(float* gates, int64_t rows, int64_t hidden);
  // gates: activations, a row every `step` entries; outputs: [rows, hidden]; cells: [rows + batch,
  // hidden] with the initial state in front; squashed: [rows, hidden], tanh of the states. Rows are
  // time-major. Returns the largest difference between a finite output and what the gates make it.
  float (*lstm_cells)(const float* gates, int64_t step, const float* outputs, float* cells,
                      float* squashed, int64_t rows, int64_t batch, int64_t hidden);
  // One time step back. cell_gradient: [batch, hidden], of the state after the step, then before
  // it; gate_gradients: [batch, 4 * hidden], set; bias_gradients: the same shape, added to.
  void (*lstm_step_back)(const LstmStep& step, float* cell_gradient, float* gate_gradients,
                         float* bias_gradients);
};

constexpr int64_t kGrainProducts = int64_t{1} << 19;  // multiplications that are worth a thread
constexpr int64_t kGrainSums = int64_t{1} << 15;      // additions, from memory, that are

// Entries for the padded input and the transposed gradient.
inline int64_t scratch_size(const ConvolutionShape& shape, int64_t lanes) {
  return shape.channels * shape.padded(0) * shape.padded(1) * shape.padded(2) +
         shape.positions() * shape.columns(lanes);
}

// Entries for both sides, cut into blocks: whole ones, of at most 64 entries a row.
inline int64_t product_scratch(int64_t length, int64_t rows, int64_t columns) {
  return length * (rows + columns + 2 * 64);
}

const Kernels& kernels();

}  // namespace starling::graph
