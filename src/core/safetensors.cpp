#include "starling/core/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr const char* kMetadata = "__metadata__";

struct TypeRow {
  DataType type;
  const char* name;
  uint64_t bytes;
};

constexpr std::array<TypeRow, 10> kTypes{{
    {DataType::boolean, "BOOL", 1},
    {DataType::uint8, "U8", 1},
    {DataType::int8, "I8", 1},
    {DataType::int16, "I16", 2},
    {DataType::int32, "I32", 4},
    {DataType::int64, "I64", 8},
    {DataType::float16, "F16", 2},
    {DataType::bfloat16, "BF16", 2},
    {DataType::float32, "F32", 4},
    {DataType::float64, "F64", 8},
}};

const TypeRow& row_of(DataType type) { return kTypes[static_cast<size_t>(type)]; }

std::vector<std::pair<std::string, DataType>> type_choices() {
  std::vector<std::pair<std::string, DataType>> choices;
  for (const auto& row : kTypes) choices.emplace_back(row.name, row.type);
  return choices;
}

// The number of bytes of a tensor, or nothing where the extents, empty ones counted as 1, multiply
// to more than 63 bits: strides must not overflow either.
std::optional<uint64_t> byte_size(DataType type, const std::vector<int64_t>& shape) {
  int64_t size = static_cast<int64_t>(row_of(type).bytes);
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(size, std::max<int64_t>(extent, 1), &size))
      return std::nullopt;
    empty = empty || extent == 0;
  }
  return empty ? 0 : static_cast<uint64_t>(size);
}

bool acceptable_name(const std::string& name) {
  return !name.empty() && name != kMetadata && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

uint64_t read_length(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = kLengthBytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string length_bytes(uint64_t value) {
  std::string bytes;
  for (size_t i = 0; i < kLengthBytes; ++i, value >>= 8) bytes += static_cast<char>(value & 0xFF);
  return bytes;
}

std::string_view header_text(std::string_view file, const std::string& source) {
  if (file.size() < kLengthBytes)
    throw InputError(source, "is not a safetensors file: it has " + std::to_string(file.size()) +
                                 " bytes and the header's length alone takes 8");
  const uint64_t length = read_length(file);
  const uint64_t room = std::min<uint64_t>(file.size() - kLengthBytes, kSafetensorsHeaderLimit);
  if (length > room)
    throw InputError(source, "is not a safetensors file or is cut short: its header claims " +
                                 std::to_string(length) + " bytes, at most " +
                                 std::to_string(room) + " are possible");
  return file.substr(kLengthBytes, length);
}

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

Range read_range(JsonObject& entry, const RawTensor& tensor, uint64_t data_size) {
  const auto offsets = entry.integers("data_offsets", 0, kLargest);
  if (offsets.size() != 2) entry.fail("data_offsets", "is not a pair [begin, end]");
  const Range range{static_cast<uint64_t>(offsets[0]), static_cast<uint64_t>(offsets[1])};
  if (range.begin > range.end || range.end > data_size)
    entry.fail("data_offsets", "is outside the " + std::to_string(data_size) + " bytes of data");
  const auto size = byte_size(tensor.type, tensor.shape);
  if (!size) entry.fail("shape", "describes more bytes than 63 bits can count");
  if (*size != range.end - range.begin)
    entry.fail("data_offsets", "spans " + std::to_string(range.end - range.begin) +
                                   " bytes; dtype and shape need " + std::to_string(*size));
  return range;
}

void check_booleans(const JsonObject& entry, const RawTensor& tensor) {
  if (tensor.type != DataType::boolean) return;
  if (std::any_of(tensor.bytes.begin(), tensor.bytes.end(),
                  [](char c) { return c != 0 && c != 1; }))
    entry.fail("", "holds a boolean that is neither 0 nor 1");
}

// The ranges must tile the data: neither holes nor overlaps, in whatever order the header has them.
void check_tiling(std::vector<Range> ranges, uint64_t data_size, const std::string& source) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t at = 0;
  for (const auto& range : ranges) {
    if (range.begin != at)
      throw InputError(source, std::string(range.begin > at ? "leaves a hole" : "overlaps") +
                                   " in its tensors' bytes at data offset " + std::to_string(at));
    at = range.end;
  }
  if (at != data_size)
    throw InputError(source,
                     "has " + std::to_string(data_size - at) + " bytes after its last tensor");
}

std::map<std::string, std::string> read_metadata(JsonObject header) {
  std::map<std::string, std::string> metadata;
  if (!header.has(kMetadata)) return metadata;
  const JsonObject object = header.object(kMetadata);
  for (const auto& item : object.value().items()) {
    if (!item.value().is_string()) object.fail(item.key(), "is not a string");
    metadata[item.key()] = item.value().get<std::string>();
  }
  return metadata;
}

std::string pointer_to(const std::string& name) {
  std::string pointer = "/";
  for (const char c : name) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return pointer;
}

void check_writable(const RawTensor& tensor, std::set<std::string>& names) {
  const std::string place = "tensor \"" + tensor.name + "\"";
  if (!acceptable_name(tensor.name))
    throw Error(place + ": its name is empty, reserved or has control characters");
  if (!names.insert(tensor.name).second) throw Error(place + ": its name stands twice");
  if (byte_size(tensor.type, tensor.shape) != tensor.bytes.size())
    throw Error(place + ": " + std::to_string(tensor.bytes.size()) +
                " bytes do not fit its dtype and shape");
}

std::vector<size_t> widest_first(std::span<const RawTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return row_of(tensors[a].type).bytes > row_of(tensors[b].type).bytes;
  });
  return order;
}

}  // namespace

uint64_t bytes_per_value(DataType type) { return row_of(type).bytes; }
std::string name_of(DataType type) { return row_of(type).name; }

Safetensors parse_safetensors(std::string_view file, const std::string& source) {
  const auto text = header_text(file, source);
  const auto data = file.substr(kLengthBytes + text.size());
  if (text.empty() || text.front() != '{')
    throw InputError(source, "is not a safetensors file: its header does not begin with {");
  const Json header = parse_json(text, source);
  const JsonObject root(header, source);

  Safetensors result;
  result.metadata = read_metadata(root);
  std::vector<Range> ranges;
  const auto types = type_choices();
  for (const auto& item : header.items()) {
    if (item.key() == kMetadata) continue;
    if (!acceptable_name(item.key()))
      throw InputError(source, "has a tensor whose name is empty or has control characters");
    JsonObject entry(item.value(), source, pointer_to(item.key()));
    RawTensor tensor{
        item.key(), entry.choice("dtype", types), entry.integers("shape", 0, kLargest), {}};
    const Range range = read_range(entry, tensor, data.size());
    entry.finish();
    tensor.bytes = data.substr(range.begin, range.end - range.begin);
    check_booleans(entry, tensor);
    ranges.push_back(range);
    result.tensors.push_back(std::move(tensor));
  }
  check_tiling(std::move(ranges), data.size(), source);
  return result;
}

std::string format_safetensors(std::span<const RawTensor> tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::set<std::string> names;
  for (const auto& tensor : tensors) check_writable(tensor, names);
  const auto order = widest_first(tensors);
  std::vector<Range> ranges(tensors.size());
  uint64_t at = 0;
  for (const size_t i : order) {
    ranges[i] = {at, at + tensors[i].bytes.size()};
    at = ranges[i].end;
  }

  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  for (size_t i = 0; i < tensors.size(); ++i)
    header[tensors[i].name] = {{"dtype", name_of(tensors[i].type)},
                               {"shape", tensors[i].shape},
                               {"data_offsets", {ranges[i].begin, ranges[i].end}}};
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');

  std::string file = length_bytes(text.size()) + text;
  file.reserve(file.size() + at);
  for (const size_t i : order) file += tensors[i].bytes;
  return file;
}

}  // namespace starling
