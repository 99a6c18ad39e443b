// AES-256 (FIPS 197) in counter mode (SP 800-38A) by the VAES instructions: four blocks a vector,
// eight vectors in flight. Constant time, as every use of these instructions is.

#include <cstring>

#include "core/random_blocks.h"
#include "core/vector_targets.h"

#if STARLING_VECTOR_TARGETS
#include <immintrin.h>
#include <openssl/crypto.h>
#endif

namespace starling {

#if STARLING_VECTOR_TARGETS
namespace {

#define STARLING_TARGET_AES __attribute__((target("aes,sse4.1")))
#define STARLING_TARGET_VAES __attribute__((target("aes,vaes,avx512f,avx512bw,avx512vl")))

constexpr int kRounds = 14;

struct RoundKeys {
  alignas(16) uint8_t at[kRounds + 1][16];
};

// The four words of `key`, each xored with all words before it, and with the word of `assist` that
// `kWord` says.
template <int kWord>
STARLING_TARGET_AES __m128i next_key(__m128i key, __m128i assist) {
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, _mm_shuffle_epi32(assist, kWord * 0x55));
}

template <int kRound>
STARLING_TARGET_AES void expand(__m128i even, __m128i odd, RoundKeys& keys) {
  auto* const out = reinterpret_cast<__m128i*>(keys.at);
  even = next_key<3>(even, _mm_aeskeygenassist_si128(odd, 1 << (kRound / 2 - 1)));
  _mm_store_si128(out + kRound, even);
  if constexpr (kRound < kRounds) {
    odd = next_key<2>(odd, _mm_aeskeygenassist_si128(even, 0));
    _mm_store_si128(out + kRound + 1, odd);
    expand<kRound + 2>(even, odd, keys);
  }
}

STARLING_TARGET_AES void expand(const Material& key, RoundKeys& keys) {
  std::memcpy(keys.at, key.data(), key.size());
  const auto* const first = reinterpret_cast<const __m128i*>(keys.at);
  expand<2>(_mm_load_si128(first), _mm_load_si128(first + 1), keys);
}

// (Without a mask GCC 12 takes the instruction's unused operand for uninitialized.)
STARLING_TARGET_VAES STARLING_INLINE __m512i repeated(__m128i block) {
  return _mm512_maskz_broadcast_i32x4(0xffff, block);
}

struct Counter {
  uint64_t low, high;
};

// kVectors * 64 bytes of the stream.
template <int kVectors>
STARLING_TARGET_VAES STARLING_INLINE void encrypt(const RoundKeys& keys, Counter& counter,
                                                  uint8_t* out) {
  const __m512i reversed =
      repeated(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  const __m512i start = repeated(
      _mm_set_epi64x(static_cast<int64_t>(counter.high), static_cast<int64_t>(counter.low)));
  const auto key = [&](int round) STARLING_TARGET_VAES {
    return repeated(_mm_load_si128(reinterpret_cast<const __m128i*>(keys.at[round])));
  };
  __m512i block[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const __m512i offset = _mm512_set_epi64(0, 4 * v + 3, 0, 4 * v + 2, 0, 4 * v + 1, 0, 4 * v);
    __m512i count = _mm512_add_epi64(start, offset);
    const auto carries = static_cast<__mmask8>(_mm512_cmplt_epu64_mask(count, start) << 1);
    count = _mm512_mask_add_epi64(count, carries, count, _mm512_set1_epi64(1));
    block[v] = _mm512_xor_si512(_mm512_shuffle_epi8(count, reversed), key(0));
  }
  for (int round = 1; round < kRounds; ++round)
    for (int v = 0; v < kVectors; ++v) block[v] = _mm512_aesenc_epi128(block[v], key(round));
  for (int v = 0; v < kVectors; ++v)
    _mm512_storeu_si512(out + 64 * v, _mm512_aesenclast_epi128(block[v], key(kRounds)));
  counter.low += 4 * kVectors;
  counter.high += counter.low < 4 * kVectors ? 1 : 0;
}

STARLING_TARGET_VAES void encrypt(const RoundKeys& keys, Counter& counter, std::span<uint8_t> out) {
  size_t at = 0;
  for (; at + 512 <= out.size(); at += 512) encrypt<8>(keys, counter, out.data() + at);
  for (; at + 256 <= out.size(); at += 256) encrypt<4>(keys, counter, out.data() + at);
}

uint64_t big_endian(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

class VectorAesSource final : public WordSource {
 public:
  VectorAesSource(const Material& material, const AesCounter& counter)
      : counter_{big_endian(counter.data() + 8), big_endian(counter.data())} {
    expand(material, keys_);
  }
  ~VectorAesSource() override { OPENSSL_cleanse(&keys_, sizeof keys_); }

  void fill(std::span<uint8_t> bytes) override { encrypt(keys_, counter_, bytes); }

  std::unique_ptr<WordSource> ahead(uint64_t bytes) const override {
    auto source = std::make_unique<VectorAesSource>(*this);
    source->counter_.low += bytes / 16;
    source->counter_.high += source->counter_.low < bytes / 16 ? 1 : 0;
    return source;
  }

 private:
  RoundKeys keys_;
  Counter counter_;
};

bool has_vector_aes() {
  static const bool has = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  }();
  return has;
}

}  // namespace

std::unique_ptr<WordSource> make_vector_aes_source(const Material& material,
                                                   const AesCounter& counter) {
  if (!has_vector_aes()) return nullptr;
  return std::make_unique<VectorAesSource>(material, counter);
}
#else
std::unique_ptr<WordSource> make_vector_aes_source(const Material&, const AesCounter&) {
  return nullptr;
}
#endif

}  // namespace starling
