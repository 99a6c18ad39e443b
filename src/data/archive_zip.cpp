#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "starling/core/error.h"
#include "starling/data/archive.h"

namespace starling {
namespace {

constexpr size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
constexpr uint64_t kLongestComment = 65535;
constexpr uint32_t kEndSignature = 0x06054b50, kEntrySignature = 0x02014b50;
constexpr uint32_t kLocalSignature = 0x04034b50;

class Zip {
 public:
  explicit Zip(const std::string& path) : path_(path) {
    std::error_code problem;
    if (!std::filesystem::is_regular_file(path, problem)) throw Error(path + ": is not a file");
    size_ = std::filesystem::file_size(path);
    stream_.open(path, std::ios::binary);
    if (!stream_) throw Error(path + ": cannot be opened");
  }

  std::string at(uint64_t offset, uint64_t count) {
    if (offset > size_ || count > size_ - offset) fail("is a damaged zip archive: it is too short");
    std::string bytes(count, '\0');
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(bytes.data(), static_cast<std::streamsize>(count));
    if (!stream_) throw Error(path_ + ": cannot be read");
    return bytes;
  }

  uint64_t size() const { return size_; }
  [[noreturn]] void fail(const std::string& problem) const { throw InputError(path_, problem); }

 private:
  std::string path_;
  std::ifstream stream_;
  uint64_t size_ = 0;
};

uint32_t little(const std::string& bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  return value;
}

struct Entry {
  uint32_t flags, method, crc, packed, size, local;
};

// The central directory: the record at the end of the file says where it is.
std::string directory(Zip& zip) {
  const uint64_t tail_size = std::min<uint64_t>(zip.size(), kEndSize + kLongestComment);
  const std::string tail = zip.at(zip.size() - tail_size, tail_size);
  for (size_t at = tail.size() < kEndSize ? 0 : tail.size() - kEndSize + 1; at-- > 0;) {
    if (little(tail, at, 4) != kEndSignature) continue;
    return zip.at(little(tail, at + 16, 4), little(tail, at + 12, 4));
  }
  zip.fail("is not a zip archive, or an incomplete one; fetch it again");
}

Entry find(Zip& zip, const std::string& member) {
  const std::string entries = directory(zip);
  size_t at = 0;
  while (at + kEntrySize <= entries.size()) {
    if (little(entries, at, 4) != kEntrySignature) zip.fail("has a damaged zip directory");
    const size_t name = little(entries, at + 28, 2);
    if (entries.compare(at + kEntrySize, name, member) == 0) {
      return {little(entries, at + 8, 2),  little(entries, at + 10, 2),
              little(entries, at + 16, 4), little(entries, at + 20, 4),
              little(entries, at + 24, 4), little(entries, at + 42, 4)};
    }
    at += kEntrySize + name + little(entries, at + 30, 2) + little(entries, at + 32, 2);
  }
  zip.fail("has no member " + member);
}

std::string packed_bytes(Zip& zip, const Entry& entry) {
  const std::string local = zip.at(entry.local, kLocalSize);
  if (little(local, 0, 4) != kLocalSignature) zip.fail("has a damaged zip member");
  const uint64_t begin =
      uint64_t{entry.local} + kLocalSize + little(local, 26, 2) + little(local, 28, 2);
  return zip.at(begin, entry.packed);
}

std::string inflate_raw(Zip& zip, const std::string& packed, uint32_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) zip.fail("cannot be unpacked: zlib cannot start");
  std::string bytes(size, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = size;
  const int result = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  if (result != Z_STREAM_END || stream.avail_out != 0) zip.fail("has a damaged zip member");
  return bytes;
}

}  // namespace

std::string read_zip_member(const std::string& archive, const std::string& member, uint64_t limit) {
  Zip zip(archive);
  const Entry entry = find(zip, member);
  if (entry.flags & 1) zip.fail(member + " is encrypted");
  if (entry.size > limit || uint64_t{entry.size} > 1032 * (uint64_t{entry.packed} + 64)) {
    zip.fail(member + " declares " + std::to_string(entry.size) + " bytes, more than is allowed");
  }
  std::string bytes = packed_bytes(zip, entry);
  if (entry.method == 8) {
    bytes = inflate_raw(zip, bytes, entry.size);
  } else if (entry.method != 0 || bytes.size() != entry.size) {
    zip.fail(member + " uses zip method " + std::to_string(entry.method) +
             "; stored and deflated members are supported");
  }
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  if (crc32_z(0, data, bytes.size()) != entry.crc) zip.fail(member + " has a wrong checksum");
  return bytes;
}

}  // namespace starling
