#pragma once
// The two sources of random words behind RandomStream. A source is an endless sequence of 32-bit
// little-endian words fixed by 32 bytes of material.

#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace starling {

using Material = std::array<uint8_t, 32>;

class WordSource {
 public:
  virtual ~WordSource() = default;
  static constexpr size_t kGroup = 256;
  // The next bytes.size() bytes; a multiple of kGroup.
  virtual void fill(std::span<uint8_t> bytes) = 0;
  // The same sequence from `bytes` further on; a multiple of kGroup.
  virtual std::unique_ptr<WordSource> ahead(uint64_t bytes) const = 0;
};

using AesCounter = std::array<uint8_t, 16>;  // big-endian

// AES-256 in counter mode, the material as its key: the fastest of the next two on this CPU.
std::unique_ptr<WordSource> make_aes_source(const Material& material,
                                            const AesCounter& counter = {});
std::unique_ptr<WordSource> make_libcrypto_aes_source(const Material& material,
                                                      const AesCounter& counter);
// On 512-bit vectors, where the counter mode of OpenSSL 3.0 takes 128 bits at a time. Null where
// the CPU has no VAES.
std::unique_ptr<WordSource> make_vector_aes_source(const Material& material,
                                                   const AesCounter& counter);

// Philox4x32-10: bytes 0-7 of the material are the key, bytes 8-15 the upper half of the counter,
// whose lower half counts from 0. Words of 16 consecutive counters c are stored word by word: word
// w of counter c stands at 64 (c / 16) + 16 w + c % 16.
std::unique_ptr<WordSource> make_philox_source(const Material& material);

// One block of Philox4x32-10 (Salmon et al. 2011).
std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// One-shot HMAC-SHA256 (RFC 2104).
Material hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> message);

}  // namespace starling
