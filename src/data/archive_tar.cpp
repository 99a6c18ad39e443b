#include <algorithm>
#include <array>

#include "starling/core/error.h"
#include "starling/data/archive.h"
#include "starling/data/gzip.h"

namespace starling {
namespace {

constexpr uint64_t kBlock = 512;
using Block = std::array<uint8_t, kBlock>;

[[noreturn]] void damaged(const DataFile& file) {
  throw InputError(file.path(), "is a damaged tar archive; fetch it again");
}

std::string text(const Block& block, size_t at, size_t size) {
  const auto begin = block.begin() + at;
  return std::string(begin, std::find(begin, begin + size, 0));
}

uint64_t octal(const DataFile& file, const Block& block, size_t at, size_t size) {
  uint64_t value = 0;
  bool digits = false;
  for (size_t i = at; i < at + size; ++i) {
    if (block[i] == ' ' && !digits) continue;
    if (block[i] == 0 || block[i] == ' ') break;
    if (block[i] < '0' || block[i] > '7') damaged(file);
    value = value * 8 + (block[i] - '0');
    digits = true;
  }
  if (!digits) damaged(file);
  return value;
}

bool checksum_holds(const DataFile& file, const Block& block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : block[i];
  return sum == octal(file, block, 148, 8);
}

void read_exactly(DataFile& file, std::span<uint8_t> out) {
  if (file.read(out) != out.size()) damaged(file);
}

std::string read_bytes(DataFile& file, uint64_t size) {
  std::string bytes(size, '\0');
  read_exactly(file, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

void skip(DataFile& file, uint64_t size) {
  Block block;
  for (; size > 0; size -= std::min(size, kBlock)) {
    read_exactly(file, std::span(block).first(std::min(size, kBlock)));
  }
}

}  // namespace

void read_tar_gz_members(
    const std::string& archive, const std::vector<std::string>& members, uint64_t limit,
    const std::function<void(const std::string& member, std::string bytes)>& take) {
  DataFile file(archive);
  std::vector<std::string> missing = members;
  Block block;
  while (!missing.empty() && file.read(block) == kBlock && block[0] != 0) {
    if (!checksum_holds(file, block)) damaged(file);
    const std::string name = text(block, 0, 100);
    const uint64_t size = octal(file, block, 124, 12);
    const auto wanted = std::find(missing.begin(), missing.end(), name);
    if (wanted == missing.end()) {
      skip(file, size);
    } else {
      if (size > limit || size > file.most_left()) {
        throw InputError(
            archive, name + " declares " + std::to_string(size) + " bytes, more than is allowed");
      }
      missing.erase(wanted);
      take(name, read_bytes(file, size));
    }
    skip(file, (kBlock - size % kBlock) % kBlock);
  }
  if (!missing.empty()) throw InputError(archive, "has no member " + missing.front());
}

}  // namespace starling
