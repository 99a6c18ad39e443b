#pragma once
// One codec a kind of compression. Encoders append to `bytes`; decoders are given as many bytes as
// upload_bytes says.

#include <cstring>

#include "starling/federated/compression.h"

namespace starling::compression {

using Bytes = std::vector<std::byte>;

// How many values top_k and random_k send.
int64_t kept(double fraction, int64_t size);
// True where top_k marks places by one bit a coordinate rather than 4 bytes each.
bool uses_bitmap(int64_t count, int64_t size);

void encode_quantized(int64_t bits, std::span<const double> values, RandomStream stream,
                      Bytes& bytes);
void decode_quantized(int64_t bits, std::span<const std::byte> bytes, std::span<double> out);
void encode_top_k(double fraction, std::span<const double> values, Bytes& bytes);
void decode_top_k(double fraction, std::span<const std::byte> bytes, std::span<double> out);

template <class Value>
void put(Bytes& bytes, Value value) {
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(Value));
  std::memcpy(bytes.data() + at, &value, sizeof(Value));
}
template <class Value>
Value get(std::span<const std::byte> bytes, size_t index) {
  Value value;
  std::memcpy(&value, bytes.data() + index * sizeof(Value), sizeof(Value));
  return value;
}

// The nearest float32. Errors: Error where the value is not finite as such.
float narrow(double value);
// Errors: Error unless the value is finite.
double checked(float value);

}  // namespace starling::compression
