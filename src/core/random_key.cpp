#include <openssl/crypto.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "core/random_blocks.h"
#include "starling/core/error.h"
#include "starling/core/hash.h"
#include "starling/core/random.h"

namespace starling {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

RandomKey::~RandomKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

RandomKey RandomKey::from_seed(uint64_t seed) {
  std::string message = "starling key of a seed, version 1:";
  for (int i = 0; i < 8; ++i) message.push_back(static_cast<char>(seed >> (8 * i)));
  RandomKey key;
  key.bytes_ = sha256(message);
  return key;
}

RandomKey RandomKey::from_system() {
  RandomKey key;
  key.secure_ = true;
  size_t filled = 0;
  while (filled < key.bytes_.size()) {
    const ssize_t got = getrandom(key.bytes_.data() + filled, key.bytes_.size() - filled, 0);
    if (got < 0 && errno != EINTR) {
      throw Error(std::string("getrandom gives no key: ") + std::strerror(errno) +
                  "; private runs need the system's random numbers");
    }
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return key;
}

RandomKey RandomKey::from_hex(const std::string& hex) {
  RandomKey key;
  key.secure_ = true;
  if (hex.size() != 2 * key.bytes_.size()) {
    throw InputError("random key", std::to_string(hex.size()) +
                                       " characters; give exactly 64 hexadecimal digits");
  }
  for (size_t i = 0; i < key.bytes_.size(); ++i) {
    const int high = digit_of(hex[2 * i]);
    const int low = digit_of(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      throw InputError("random key", "character " + std::to_string(2 * i + (high < 0 ? 0 : 1)) +
                                         " is no hexadecimal digit; give 64 of 0-9 and a-f");
    }
    key.bytes_[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return key;
}

RandomKey RandomKey::derive(const std::string& label) const {
  const std::string message = "starling derived key, version 1:" + label;
  RandomKey key;
  key.secure_ = secure_;
  key.bytes_ =
      hmac_sha256(bytes_, {reinterpret_cast<const uint8_t*>(message.data()), message.size()});
  return key;
}

std::string RandomKey::to_hex() const {
  return hex({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
}

}  // namespace starling
