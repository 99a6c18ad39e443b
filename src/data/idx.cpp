#include "starling/data/idx.h"

#include <algorithm>

#include "starling/core/error.h"
#include "starling/data/gzip.h"

namespace starling {
namespace {

constexpr uint64_t kLargestData = uint64_t{1} << 32;
constexpr size_t kLargestDimensions = 4;
constexpr size_t kChunk = size_t{1} << 20;

uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

uint64_t width(IdxType type) { return type == IdxType::uint8 ? 1 : 4; }

[[noreturn]] void wrong_size(const std::string& path, uint64_t expected, const std::string& found) {
  throw InputError(path, "expected " + std::to_string(expected) + " bytes, found " + found);
}

// Exactly `out.size()` more bytes; `before` counts what was read until here.
void read_header(DataFile& file, std::span<uint8_t> out, uint64_t before) {
  const size_t got = file.read(out);
  if (got == out.size()) return;
  throw InputError(file.path(), "the IDX header needs " + std::to_string(before + out.size()) +
                                    " bytes, found " + std::to_string(before + got));
}

IdxType type_of(const std::string& path, const uint8_t* magic) {
  if (magic[0] != 0 || magic[1] != 0) {
    throw InputError(path, "is not an IDX file: the first two bytes are not 0");
  }
  if (magic[2] != 0x08 && magic[2] != 0x0c) {
    throw InputError(path, "IDX type " + std::to_string(magic[2]) +
                               " is not supported; 8 (unsigned byte) and 12 (32-bit integer) are");
  }
  if (magic[3] < 1 || magic[3] > kLargestDimensions) {
    throw InputError(path, std::to_string(magic[3]) + " dimensions are outside 1..4");
  }
  return static_cast<IdxType>(magic[2]);
}

// Bytes of the values; every partial product stays below 2^32 * 2^32.
uint64_t data_bytes(const std::string& path, const IdxFile& idx) {
  uint64_t product = width(idx.type);
  for (int64_t extent : idx.shape) {
    if (extent == 0) throw InputError(path, "is an empty data set: one of its extents is 0");
    product *= static_cast<uint64_t>(extent);
    if (product > kLargestData) {
      throw InputError(path, "declares more than 4 GiB of data; its header is damaged");
    }
  }
  return product;
}

IdxFile read_shape(DataFile& file, uint64_t& header) {
  uint8_t magic[4];
  read_header(file, magic, 0);
  IdxFile idx{type_of(file.path(), magic), {}, {}};
  uint8_t extents[4 * kLargestDimensions];
  const size_t size = 4 * size_t{magic[3]};
  read_header(file, std::span(extents, size), 4);
  for (size_t i = 0; i < size; i += 4) idx.shape.push_back(big_endian(extents + i));
  header = 4 + size;
  return idx;
}

void read_values(DataFile& file, uint64_t header, uint64_t count, std::vector<uint8_t>& bytes) {
  while (bytes.size() < count) {
    const size_t before = bytes.size();
    bytes.resize(before + std::min<uint64_t>(kChunk, count - before));
    const size_t got = file.read(std::span(bytes).subspan(before));
    if (before + got < bytes.size()) {
      wrong_size(file.path(), header + count, std::to_string(header + before + got));
    }
  }
  uint8_t extra;
  if (file.read(std::span(&extra, 1)) != 0) {
    wrong_size(file.path(), header + count, "more: there are bytes after the data");
  }
}

IdxFile read_all(DataFile& file) {
  uint64_t header = 0;
  IdxFile idx = read_shape(file, header);
  const uint64_t count = data_bytes(file.path(), idx);
  const uint64_t left = file.most_left();
  if (count > left) {
    const bool bound = file.packed() && left > 0;
    wrong_size(file.path(), header + count,
               (bound ? "at most " : "") + std::to_string(header + left));
  }
  read_values(file, header, count, idx.bytes);
  return idx;
}

}  // namespace

int64_t IdxFile::size() const {
  int64_t product = 1;
  for (int64_t extent : shape) product *= extent;
  return product;
}

int64_t IdxFile::at(int64_t i) const {
  if (type == IdxType::uint8) return bytes[i];
  return static_cast<int32_t>(big_endian(&bytes[4 * i]));
}

IdxFile read_idx(const std::string& path) {
  DataFile file(path);
  return read_all(file);
}

IdxFile parse_idx(std::string bytes, const std::string& name) {
  DataFile file(name, std::move(bytes));
  return read_all(file);
}

}  // namespace starling
