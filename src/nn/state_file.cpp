#include <torch/nn/module.h>

#include <array>
#include <cstring>

#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/json.h"
#include "starling/core/safetensors.h"
#include "starling/nn/state.h"

namespace starling {
namespace {

// Which tensors are buffers, as a JSON list of names; other readers ignore it.
constexpr const char* kBuffers = "buffers";

constexpr std::array<std::pair<DataType, torch::ScalarType>, 10> kTypes{{
    {DataType::boolean, torch::kBool},
    {DataType::uint8, torch::kUInt8},
    {DataType::int8, torch::kInt8},
    {DataType::int16, torch::kInt16},
    {DataType::int32, torch::kInt32},
    {DataType::int64, torch::kInt64},
    {DataType::float16, torch::kFloat16},
    {DataType::bfloat16, torch::kBFloat16},
    {DataType::float32, torch::kFloat32},
    {DataType::float64, torch::kFloat64},
}};

DataType data_type(const NamedTensor& tensor) {
  for (const auto& [ours, theirs] : kTypes)
    if (theirs == tensor.value.scalar_type()) return ours;
  throw Error("tensor \"" + tensor.name + "\": a safetensors file cannot hold the dtype " +
              std::string(torch::toString(tensor.value.scalar_type())));
}

torch::ScalarType scalar_type(DataType type) { return kTypes[static_cast<size_t>(type)].second; }

RawTensor raw_view(const NamedTensor& tensor) {
  return {tensor.name, data_type(tensor), tensor.value.sizes().vec(),
          std::string_view(static_cast<const char*>(tensor.value.const_data_ptr()),
                           tensor.value.nbytes())};
}

torch::Tensor copy_of(const RawTensor& raw) {
  auto value = torch::empty(raw.shape, scalar_type(raw.type));
  if (!raw.bytes.empty()) std::memcpy(value.mutable_data_ptr(), raw.bytes.data(), raw.bytes.size());
  return value;
}

std::vector<std::string> buffer_names(const Safetensors& file, const std::string& source) {
  const auto found = file.metadata.find(kBuffers);
  if (found == file.metadata.end()) return {};
  Json holder = Json::object();
  holder[kBuffers] = parse_json(found->second, source + ": /__metadata__/buffers");
  return JsonObject(holder, source, "/__metadata__").strings(kBuffers);
}

}  // namespace

std::string to_safetensors(const StateDict& state) {
  const StateDict packed = clone(state);
  std::vector<RawTensor> tensors;
  Json buffers = Json::array();
  for (const auto& tensor : packed.tensors) {
    tensors.push_back(raw_view(tensor));
    if (tensor.buffer) buffers.push_back(tensor.name);
  }
  std::map<std::string, std::string> metadata{{"format", "pt"}};
  if (!buffers.empty()) metadata[kBuffers] = buffers.dump();
  return format_safetensors(tensors, metadata);
}

StateDict from_safetensors(std::string_view bytes, const std::string& source) {
  const auto file = parse_safetensors(bytes, source);
  const auto buffers = buffer_names(file, source);
  StateDict state;
  for (const auto& raw : file.tensors) {
    const bool buffer = std::find(buffers.begin(), buffers.end(), raw.name) != buffers.end();
    state.tensors.push_back({raw.name, copy_of(raw), buffer});
  }
  return state;
}

void save_state(const StateDict& state, const std::string& path) {
  write_file_atomically(path, to_safetensors(state));
}

StateDict load_state_file(const std::string& path) {
  std::string bytes;
  try {
    bytes = read_file(path);
  } catch (const Error& problem) {
    throw InputError(problem.what());
  }
  return from_safetensors(bytes, path);
}

void load_initial(torch::nn::Module& module, const std::string& path) {
  const auto state = load_state_file(path);
  try {
    load_state(module, state);
  } catch (const Error& problem) {
    throw InputError(path, problem.what());
  }
}

}  // namespace starling
