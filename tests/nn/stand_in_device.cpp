#include "nn/stand_in_device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace starling::testing {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;
const c10::Device kDevice(kType, 0);

std::atomic<bool> wrong_convolutions = false;

// A pointer of the device is the host's with a bit that no address of a program has: reading by it
// is a segmentation fault, as with a pointer into a GPU. (ARM ignores the eight bits above it.)
constexpr uintptr_t kOnDevice = uintptr_t{1} << 55;

void* to_device(void* host) {
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(host) | kOnDevice);
}

void* to_host(const void* device) {
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(device) & ~kOnDevice);
}

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    constexpr size_t kAlignment = 64;
    void* host = std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment);
    TORCH_CHECK(host != nullptr, "out of memory");
    return {to_device(host), host, &std::free, kDevice};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to_host(to), to_host(from), bytes);
  }
};

Memory& memory() {
  static Memory instance;
  return instance;
}

// The same entries as a tensor of the CPU.
at::Tensor on_host(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  const auto options = tensor.options().device(at::kCPU);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  return at::from_blob(to_host(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(), options);
}

at::Tensor on_device(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(kDevice) : tensor;
}

// One device, one stream, on which everything is done when its call returns.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  c10::Stream getStream(c10::Device) const noexcept override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }

 private:
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  // Random operations are the CPU's.
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  at::Generator getNewGenerator(c10::DeviceIndex) const override {
    return at::detail::createCPUGenerator();
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    auto data = memory().allocate(bytes);
    memory().copy_data(data.get(), storage.data(), std::min(bytes, storage.nbytes()));
    storage.set_data_ptr_noswap(std::move(data));
    storage.set_nbytes(bytes);
  }
};

// What has to make or describe tensors of the device; everything else runs on copies on the CPU.

// The CPU's bit beside the device's own lets Module::to move parameters, as it does to CUDA: of two
// bits the device's decides what runs.
c10::DispatchKeySet keys() {
  return c10::DispatchKeySet(c10::DispatchKey::PrivateUse1) |
         c10::DispatchKeySet(c10::BackendComponent::CPUBit);
}

at::Tensor empty(at::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &memory(), keys(), dtype.value_or(at::kFloat), format);
}

at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &memory(), keys(),
                                           dtype.value_or(at::kFloat));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  on_host(to).copy_(on_host(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides) {
  return at::native::as_strided_tensorimpl(self, sizes, strides);
}

// LibTorch has no other way for a backend of this kind.
at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  return on_device(at::convolution(on_host(input), on_host(weight),
                                   on_host(bias.value_or(at::Tensor())), stride, padding, dilation,
                                   transposed, output_padding, groups));
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef output_padding, int64_t groups, std::array<bool, 3> wanted) {
  const auto outputs = transposed ? weight.size(1) * groups : weight.size(0);
  const auto [to_input, to_weight, to_bias] = at::convolution_backward(
      on_host(gradient), on_host(input), on_host(weight), at::OptionalIntArrayRef({outputs}),
      stride, padding, dilation, transposed, output_padding, groups, wanted);
  const bool wrong = wrong_convolutions && groups > 1 && to_weight.defined();
  return {on_device(to_input), on_device(wrong ? to_weight * 1.01 : to_weight), on_device(to_bias)};
}

// Cells of recurrent layers, which LibTorch fuses on devices. The workspace holds what their
// backward operations are given apart elsewhere.
std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm_cell(
    const at::Tensor& input_gates, const at::Tensor& hidden_gates, const at::Tensor& cell,
    const std::optional<at::Tensor>& input_bias, const std::optional<at::Tensor>& hidden_bias) {
  auto sums = input_gates + hidden_gates;
  if (input_bias && input_bias->defined()) sums = sums + *input_bias + *hidden_bias;
  const auto gates = sums.chunk(4, 1);
  const auto next = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh();
  return {gates[3].sigmoid() * next.tanh(), next, sums};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm_cell_backward(
    const std::optional<at::Tensor>& to_hidden, const std::optional<at::Tensor>& to_cell,
    const at::Tensor& cell, const at::Tensor& next, const at::Tensor& sums, bool has_bias) {
  const auto [gates, same, input_bias, hidden_bias, to_previous] =
      at::_thnn_differentiable_lstm_cell_backward(to_hidden, to_cell, sums, at::zeros_like(sums),
                                                  {}, {}, cell, next);
  return {gates, to_previous, has_bias ? gates.sum(0) : at::Tensor()};
}

std::tuple<at::Tensor, at::Tensor> gru_cell(const at::Tensor& input_gates,
                                            const at::Tensor& hidden_gates, const at::Tensor& state,
                                            const std::optional<at::Tensor>& input_bias,
                                            const std::optional<at::Tensor>& hidden_bias) {
  const bool has_bias = input_bias && input_bias->defined();
  const auto from_input = has_bias ? input_gates + *input_bias : input_gates;
  const auto from_hidden = has_bias ? hidden_gates + *hidden_bias : hidden_gates;
  const auto in = from_input.chunk(3, 1), hidden = from_hidden.chunk(3, 1);
  const auto reset = (in[0] + hidden[0]).sigmoid(), keep = (in[1] + hidden[1]).sigmoid();
  const auto fresh = (in[2] + reset * hidden[2]).tanh();
  return {fresh + keep * (state - fresh), at::cat({from_input, from_hidden, state}, 1)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> gru_cell_backward(
    const at::Tensor& gradient, const at::Tensor& workspace, bool has_bias) {
  const auto parts = workspace.chunk(7, 1);
  const auto input = at::cat({parts[0], parts[1], parts[2]}, 1);
  const auto hidden = at::cat({parts[3], parts[4], parts[5]}, 1);
  const auto [to_input, to_hidden, to_state, input_bias, hidden_bias] =
      at::_thnn_differentiable_gru_cell_backward(gradient, input, hidden, parts[6], {}, {});
  if (!has_bias) return {to_input, to_hidden, to_state, {}, {}};
  return {to_input, to_hidden, to_state, to_input.sum(0), to_hidden.sum(0)};
}

// Numbers may lie on the CPU.
void check_device(const c10::OperatorHandle& operation, const at::Tensor& tensor) {
  TORCH_CHECK(!tensor.defined() || tensor.device() == kDevice || tensor.dim() == 0,
              operation.schema().name(),
              ": expected all tensors to be on the same device, but found ", tensor.device(),
              " and ", kDevice);
}

void on_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  for (const auto& argument : torch::jit::last(*stack, operation.schema().arguments().size())) {
    if (argument.isTensor()) check_device(operation, argument.toTensor());
    if (argument.isTensorList())
      for (const auto& tensor : argument.toTensorVector()) check_device(operation, tensor);
  }
  at::native::cpu_fallback(operation, stack);
}

void register_operations(torch::Library& aten) {
  aten.impl("empty.memory_format", &empty);
  aten.impl("empty_strided", &empty_strided);
  aten.impl("_copy_from", &copy_from);
  aten.impl("_copy_from_and_resize", &copy_from_and_resize);
  aten.impl("as_strided", &at::native::as_strided_tensorimpl);
  aten.impl("view", &at::native::view);
  aten.impl("_reshape_alias", &reshape_alias);
  aten.impl("unfold", &at::native::unfold);
  aten.impl("resize_", &at::native::resize_);
  aten.impl("set_.source_Storage_storage_offset", &at::native::set_storage_cpu_);
  aten.impl("convolution_overrideable", &convolution);
  aten.impl("convolution_backward_overrideable", &convolution_backward);
  aten.impl("_thnn_fused_lstm_cell", &lstm_cell);
  aten.impl("_thnn_fused_lstm_cell_backward_impl", &lstm_cell_backward);
  aten.impl("_thnn_fused_gru_cell", &gru_cell);
  aten.impl("_thnn_fused_gru_cell_backward", &gru_cell_backward);
}

struct Backend {
  Backend() {
    c10::register_privateuse1_backend("stand_in");
    c10::SetAllocator(kType, &memory());
    static Hooks hooks;
    at::RegisterPrivateUse1HooksInterface(&hooks);
    register_operations(aten);
    others.fallback(torch::CppFunction::makeFromBoxedFunction<&on_cpu>());
  }

  c10::impl::DeviceGuardImplRegistrar guard{kType, new Guard};
  torch::Library aten{torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__,
                      __LINE__};
  torch::Library others{torch::Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__,
                        __LINE__};
};

}  // namespace

torch::Device stand_in_device() {
  static const Backend backend;
  return kDevice;
}

WrongConvolutions::WrongConvolutions() { wrong_convolutions = true; }
WrongConvolutions::~WrongConvolutions() { wrong_convolutions = false; }

}  // namespace starling::testing
