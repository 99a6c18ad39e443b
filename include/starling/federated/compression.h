#pragma once
// What an upload weighs on the wire, and how it is made lighter. An update is encoded to the very
// bytes that would travel, and decoded by the server, which computes with what came through.
//
// Privacy. Over an update that its client has noised, compression is post-processing and changes no
// bound (example level). Where the server clips and noises (client level), the clip must come after
// decoding: decoded values may have a larger norm than the client's. Random coordinates and
// rounding coins come from the experiment's seed; neither hides anything, and no bound counts on
// them. `upload_bytes` depends on the size of the model alone, so that byte counts tell nothing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "starling/core/random.h"

namespace starling {

// 4 bytes a value: float32.
struct NoCompression {
  static constexpr bool error_feedback = false;
  bool operator==(const NoCompression&) const = default;
};

// Each value becomes one of 2^bits - 1 evenly spaced levels between -m and m, m the largest
// magnitude, up or down by a coin that keeps its mean (QSGD with the maximum norm, Alistarh et al.
// 2017, arXiv 1610.02132): unbiased, error below one spacing. 4 bytes for m, then `bits` a value.
struct QuantizeCompression {
  int64_t bits = 8;  // 2..16
  bool error_feedback = false;
  bool operator==(const QuantizeCompression&) const = default;
};

// The max(1, round(fraction size)) values of largest magnitude (equal ones: the first), as float32,
// with their places: 4 bytes each, or one bit a coordinate where that is less. Biased, hence with
// error feedback unless told otherwise.
struct TopKCompression {
  double fraction = 0.1;  // (0, 1]
  bool error_feedback = true;
  bool operator==(const TopKCompression&) const = default;
};

// As many values at random places, which the server draws as well and nobody sends: float32. With
// error feedback as they are; without, times size / count, which makes them unbiased.
struct RandomKCompression {
  double fraction = 0.1;  // (0, 1]
  bool error_feedback = true;
  bool operator==(const RandomKCompression&) const = default;
};

// IEEE 754 half precision, rounded to nearest even; magnitudes above 65504 become 65504.
struct Float16Compression {
  static constexpr bool error_feedback = false;
  bool operator==(const Float16Compression&) const = default;
};

using CommunicationSpec = std::variant<NoCompression, QuantizeCompression, TopKCompression,
                                       RandomKCompression, Float16Compression>;

// "top_k": the word of the experiment file.
std::string to_string(const CommunicationSpec& spec);

// Bytes of one upload of `size` coordinates; equal to encode(...).size().
int64_t upload_bytes(const CommunicationSpec& spec, int64_t size);
// Bytes of the global model that a client is sent: float32.
int64_t download_bytes(int64_t size);

// `id` names the client's stream of this round, Purpose::compression; encoder and decoder take the
// same. Values must be finite. Errors: Error where they are not, and where bytes are not an
// encoding of out.size() values (too many, too few, places that do not ascend, values that are not
// finite).
std::vector<std::byte> encode(const CommunicationSpec& spec, std::span<const double> values,
                              const RandomKey& key, StreamId id);
void decode(const CommunicationSpec& spec, std::span<const std::byte> bytes, const RandomKey& key,
            StreamId id, std::span<double> out);

// A client's upload through the wire, in place: what the server decodes. With error feedback
// (Karimireddy et al. 2019, arXiv 1901.09847) `memory` holds what was lost so far and is added
// before encoding; it is empty before the first round, and stays so without error feedback.
// Returns the bytes sent. Nothing is lost for good: sums of decoded updates plus the memory are
// sums of updates.
int64_t compress(const CommunicationSpec& spec, std::span<double> update,
                 std::vector<double>& memory, const RandomKey& key, StreamId id);

// The conversions of float16, by value.
uint16_t to_half(double value);
double from_half(uint16_t half);

}  // namespace starling
