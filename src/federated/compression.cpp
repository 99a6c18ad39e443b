#include "starling/federated/compression.h"

#include <algorithm>
#include <cmath>

#include "federated/compression_codecs.h"
#include "starling/core/error.h"

namespace starling {
namespace compression {

int64_t kept(double fraction, int64_t size) {
  const int64_t count = std::llround(fraction * static_cast<double>(size));
  return std::min(size, std::max<int64_t>(1, count));
}

bool uses_bitmap(int64_t count, int64_t size) { return (size + 7) / 8 < 4 * count; }

float narrow(double value) {
  const auto result = static_cast<float>(value);
  if (!std::isfinite(result))
    throw Error("an update with the value " + std::to_string(value) + " cannot be sent as float32");
  return result;
}

double checked(float value) {
  if (!std::isfinite(value)) throw Error("an encoded update holds a value that is not finite");
  return value;
}

namespace {

// Where random_k looks, ascending.
std::vector<int64_t> places(double fraction, size_t size, const RandomKey& key, StreamId id) {
  const auto count = static_cast<int64_t>(size);
  return RandomStream(key, id).subset(count, kept(fraction, count));
}

// What makes random places unbiased.
double unbiasing(const RandomKCompression& spec, size_t size) {
  if (spec.error_feedback) return 1.0;
  const auto count = static_cast<int64_t>(size);
  return static_cast<double>(count) / static_cast<double>(kept(spec.fraction, count));
}

struct Encoder {
  std::span<const double> values;
  const RandomKey& key;
  StreamId id;
  Bytes& bytes;

  void operator()(const NoCompression&) {
    for (const double value : values) put(bytes, narrow(value));
  }
  void operator()(const QuantizeCompression& spec) {
    encode_quantized(spec.bits, values, RandomStream(key, id), bytes);
  }
  void operator()(const TopKCompression& spec) { encode_top_k(spec.fraction, values, bytes); }
  void operator()(const RandomKCompression& spec) {
    for (const int64_t i : places(spec.fraction, values.size(), key, id))
      put(bytes, narrow(unbiasing(spec, values.size()) * values[static_cast<size_t>(i)]));
  }
  void operator()(const Float16Compression&) {
    for (const double value : values) put(bytes, to_half(value));
  }
};

struct Decoder {
  std::span<const std::byte> bytes;
  const RandomKey& key;
  StreamId id;
  std::span<double> out;

  void operator()(const NoCompression&) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = checked(get<float>(bytes, i));
  }
  void operator()(const QuantizeCompression& spec) { decode_quantized(spec.bits, bytes, out); }
  void operator()(const TopKCompression& spec) { decode_top_k(spec.fraction, bytes, out); }
  void operator()(const RandomKCompression& spec) {
    std::ranges::fill(out, 0.0);
    size_t next = 0;
    for (const int64_t i : places(spec.fraction, out.size(), key, id))
      out[static_cast<size_t>(i)] = checked(get<float>(bytes, next++));
  }
  void operator()(const Float16Compression&) {
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = checked(static_cast<float>(from_half(get<uint16_t>(bytes, i))));
  }
};

struct Weigher {
  int64_t size;

  int64_t operator()(const NoCompression&) const { return 4 * size; }
  int64_t operator()(const QuantizeCompression& spec) const {
    return 4 + (spec.bits * size + 7) / 8;
  }
  int64_t operator()(const TopKCompression& spec) const {
    const int64_t count = kept(spec.fraction, size);
    return 4 * count + (uses_bitmap(count, size) ? (size + 7) / 8 : 4 * count);
  }
  int64_t operator()(const RandomKCompression& spec) const { return 4 * kept(spec.fraction, size); }
  int64_t operator()(const Float16Compression&) const { return 2 * size; }
};

struct Namer {
  const char* operator()(const NoCompression&) const { return "none"; }
  const char* operator()(const QuantizeCompression&) const { return "quantize"; }
  const char* operator()(const TopKCompression&) const { return "top_k"; }
  const char* operator()(const RandomKCompression&) const { return "random_k"; }
  const char* operator()(const Float16Compression&) const { return "float16"; }
};

bool feeds_back(const CommunicationSpec& spec) {
  return std::visit([](const auto& kind) { return kind.error_feedback; }, spec);
}

}  // namespace
}  // namespace compression

using namespace compression;

std::string to_string(const CommunicationSpec& spec) { return std::visit(Namer{}, spec); }

int64_t upload_bytes(const CommunicationSpec& spec, int64_t size) {
  return size == 0 ? 0 : std::visit(Weigher{size}, spec);
}

int64_t download_bytes(int64_t size) { return 4 * size; }

std::vector<std::byte> encode(const CommunicationSpec& spec, std::span<const double> values,
                              const RandomKey& key, StreamId id) {
  for (const double value : values)
    if (!std::isfinite(value)) throw Error("an update that is not finite cannot be sent");
  Bytes bytes;
  if (values.empty()) return bytes;
  bytes.reserve(static_cast<size_t>(upload_bytes(spec, static_cast<int64_t>(values.size()))));
  std::visit(Encoder{values, key, id, bytes}, spec);
  return bytes;
}

void decode(const CommunicationSpec& spec, std::span<const std::byte> bytes, const RandomKey& key,
            StreamId id, std::span<double> out) {
  const int64_t expected = upload_bytes(spec, static_cast<int64_t>(out.size()));
  if (static_cast<int64_t>(bytes.size()) != expected)
    throw Error("an upload of " + std::to_string(out.size()) + " values encoded by \"" +
                to_string(spec) + "\" has " + std::to_string(expected) + " bytes, and " +
                std::to_string(bytes.size()) + " came");
  if (!out.empty()) std::visit(Decoder{bytes, key, id, out}, spec);
}

int64_t compress(const CommunicationSpec& spec, std::span<double> update,
                 std::vector<double>& memory, const RandomKey& key, StreamId id) {
  const bool remembers = feeds_back(spec);
  if (remembers) memory.resize(update.size(), 0.0);
  for (size_t i = 0; i < memory.size() && remembers; ++i) memory[i] += update[i];
  const std::span<const double> sent = remembers ? std::span<const double>(memory) : update;
  const auto bytes = encode(spec, sent, key, id);
  decode(spec, bytes, key, id, update);
  for (size_t i = 0; i < memory.size() && remembers; ++i) memory[i] -= update[i];
  return static_cast<int64_t>(bytes.size());
}

}  // namespace starling
