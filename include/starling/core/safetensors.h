#pragma once
// The safetensors format: eight bytes of header length (little-endian), a JSON header that gives
// each tensor's dtype, shape and byte range, then the raw little-endian values. It holds data and
// nothing that runs, so it is the only format in which Starling reads models; pickle is never read.
//
// The reader trusts nothing: every length is checked before it is used, and no tensor is copied.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace starling {

enum class DataType {
  boolean,
  uint8,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
};

uint64_t bytes_per_value(DataType type);
std::string name_of(DataType type);  // as in the file: "F32", "I64", "BOOL" ...

// One tensor as bytes that somebody else owns: row-major, little-endian.
struct RawTensor {
  std::string name;
  DataType type = DataType::float32;
  std::vector<int64_t> shape;  // empty for a scalar
  std::string_view bytes;
};

struct Safetensors {
  std::vector<RawTensor> tensors;  // in the header's order
  std::map<std::string, std::string> metadata;
};

inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;  // bytes, the format's own bound

// Views into `file`, which must outlive them; `source` names it in errors. Refused: a header longer
// than the file or the limit; unknown dtypes and members; duplicate or empty names and names with
// control characters; byte ranges that do not fit dtype and shape, overlap, leave a hole or do not
// end at the end of the file; sizes that overflow; booleans other than 0 and 1. Errors: InputError.
Safetensors parse_safetensors(std::string_view file, const std::string& source);

// The same tensors and metadata always give the same bytes. The header keeps the order given; data
// are laid out with the widest type first, so that every tensor is aligned to its values. Errors:
// Error where a tensor's bytes do not fit its shape, or its name could not be read back.
std::string format_safetensors(std::span<const RawTensor> tensors,
                               const std::map<std::string, std::string>& metadata = {});

}  // namespace starling
