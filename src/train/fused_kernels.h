#pragma once
// Products of a fully connected layer with few rows, where a general matrix product spends its time
// on packing. Compiled for any x86-64, for AVX2 with FMA and for AVX-512; the CPU decides which
// runs. All matrices are dense and row-major.

#include <cstdint>
#include <vector>

namespace starling::fused {

struct DenseShape {
  int64_t batch = 0, inputs = 0, outputs = 0;
};

// A sum S of gradients changes its target to keep * target + scale * S. Plain SGD has the weight
// itself as target, keep = 1 - learning_rate * weight_decay and scale = -learning_rate; a gradient
// buffer has keep = 0 (whatever it held, NaN included, is gone) and scale = 1.
struct Update {
  float keep = 0.0f;
  float scale = 1.0f;
};

// One example's convolution, channels last. Weights are packed to [kernel_height, run, columns].
struct ConvolutionShape {
  int64_t kernel_height = 0;
  int64_t run = 0;                  // floats that a kernel row reads: kernel width * input channels
  int64_t outputs = 0;              // channels
  int64_t columns = 0;              // outputs rounded up to whole vectors; the rest is zero
  int64_t height = 0, width = 0;    // of the output
  int64_t input_row = 0;            // floats of a row of the padded input
  int64_t step_down = 0, step = 0;  // floats between what neighbouring output pixels read
};

// Where the gradient of output pixel (y, x) begins: y * row + x * step; `columns` floats each.
struct GradientLayout {
  int64_t row = 0, step = 0;
};

struct Kernels {
  // output [batch, outputs] = input [batch, inputs] weight^T + bias; weight: [outputs, inputs];
  // bias: [outputs] or null
  void (*dense_forward)(const float* input, const float* weight, const float* bias,
                        const DenseShape& shape, float* output);
  // input_gradient [batch, inputs] = gradient [batch, outputs] weight
  void (*dense_input_gradient)(const float* gradient, const float* weight, const DenseShape& shape,
                               float* input_gradient);
  // S [outputs, inputs] = gradient^T input
  void (*dense_update)(const float* input, const float* gradient, const DenseShape& shape,
                       Update update, float* target);
  // S [columns] = the sum of the rows of `gradient` [rows, columns]
  void (*column_update)(const float* gradient, int64_t rows, int64_t columns, Update update,
                        float* target);
  void (*relu)(const float* input, int64_t size, float* output);
  // gradient where output > 0, else 0
  void (*relu_gradient)(const float* output, const float* gradient, int64_t size, float* result);

  int64_t lanes;  // floats of a vector
  // output [height, width, outputs] = the convolution of the padded input + bias (or null)
  void (*convolve)(const float* input, const float* weight, const float* bias,
                   const ConvolutionShape& shape, float* output);
  // result [kernel_height, run, columns] += the weight's gradient
  void (*convolution_gradient)(const float* input, const float* gradient,
                               const ConvolutionShape& shape, const GradientLayout& layout,
                               float* result);
};

const Kernels& kernels();  // of this CPU
// Every version that this CPU runs.
std::vector<const Kernels*> runnable_kernels();

}  // namespace starling::fused
