#include "experiment/device.h"

#include <ATen/Context.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "starling/core/error.h"

namespace starling::experiment {
namespace {

namespace fs = std::filesystem;

const fs::path kDriver = "/proc/driver/nvidia";

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "Model: ...", one a GPU.
std::vector<std::string> gpu_models() {
  std::vector<std::string> models;
  std::error_code none;
  for (const auto& gpu : fs::directory_iterator(kDriver / "gpus", none))
    models.push_back(first_line(gpu.path() / "information"));
  std::ranges::sort(models);
  return models;
}

}  // namespace

c10::Device device_for(const Experiment& experiment, const RunOptions& options) {
  if (options.device) return *options.device;
  if (experiment.compute.device == Device::cpu) return c10::kCPU;
  if (at::hasCUDA()) return c10::Device(c10::kCUDA, 0);
  throw InputError(
      options.source + ": /compute/device",
      "\"cuda\" needs a GPU and a LibTorch built for CUDA, and LibTorch finds no GPU "
      "here; use \"cpu\", or build against such a LibTorch (README.md, Building by hand) on a "
      "machine with a GPU");
}

void make_repeatable(const c10::Device& device, bool is_private) {
  if (device.is_cpu()) return;
  // cuBLAS reads it when it starts, and is not repeatable without.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/!is_private);
  context.setDeterministicFillUninitializedMemory(false);  // which costs time and changes nothing
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
}

std::string describe(const c10::Device& device) {
  std::string text = c10::DeviceTypeName(device.type(), /*lower_case=*/true);
  if (!device.is_cuda()) return text;
  for (const auto& model : gpu_models()) text += "; " + model;
  if (at::Context::hasCuDNN())
    text += "; cuDNN " + std::to_string(at::Context::versionRuntimeCuDNN());
  return text + "; " + first_line(kDriver / "version");
}

}  // namespace starling::experiment
