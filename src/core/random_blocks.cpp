#include "core/random_blocks.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

#include "core/vector_targets.h"
#include "starling/core/error.h"

namespace starling {
namespace {

void require(bool done, const char* what) {
  if (!done)
    throw Error(std::string("libcrypto refuses ") + what + "; is OpenSSL 3 installed whole?");
}

constexpr size_t kPiece = 1 << 16;  // stays in the cache, and far below what an int counts

class AesSource final : public WordSource {
 public:
  AesSource(const Material& material, const AesCounter& counter)
      : context_(EVP_CIPHER_CTX_new()), counter_(counter) {
    static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
    require(
        context_ != nullptr && cipher != nullptr &&
            EVP_EncryptInit_ex2(context_.get(), cipher, material.data(), counter.data(), nullptr),
        "AES-256-CTR");
  }

  void fill(std::span<uint8_t> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kPiece));
      std::ranges::fill(piece, uint8_t{0});
      const int size = static_cast<int>(piece.size());
      int written = 0;
      require(EVP_EncryptUpdate(context_.get(), piece.data(), &written, piece.data(), size) &&
                  written == size,
              "a block of AES-256-CTR");
      advance(counter_, piece.size() / counter_.size());
      bytes = bytes.subspan(piece.size());
    }
  }

  std::unique_ptr<WordSource> ahead(uint64_t bytes) const override {
    auto source = std::make_unique<AesSource>(counter_);
    advance(source->counter_, bytes / counter_.size());
    require(source->context_ != nullptr &&
                EVP_CIPHER_CTX_copy(source->context_.get(), context_.get()) &&
                EVP_EncryptInit_ex2(source->context_.get(), nullptr, nullptr,
                                    source->counter_.data(), nullptr),
            "a later block of AES-256-CTR");
    return source;
  }

  explicit AesSource(const AesCounter& counter)
      : context_(EVP_CIPHER_CTX_new()), counter_(counter) {}

 private:
  static void advance(AesCounter& counter, uint64_t blocks) {
    for (size_t i = counter.size(); i-- > 0 && blocks > 0; blocks >>= 8) {
      blocks += counter[i];
      counter[i] = static_cast<uint8_t>(blocks);
    }
  }

  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
  AesCounter counter_;  // of the next block
};

constexpr int kLanes = 16;

struct PhiloxLanes {
  uint32_t word[4][kLanes];
};

STARLING_INLINE void philox_round(PhiloxLanes& c, uint32_t key0, uint32_t key1) {
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c.word[0][i];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c.word[2][i];
    const uint32_t next0 = static_cast<uint32_t>(p1 >> 32) ^ c.word[1][i] ^ key0;
    const uint32_t next2 = static_cast<uint32_t>(p0 >> 32) ^ c.word[3][i] ^ key1;
    c.word[0][i] = next0;
    c.word[1][i] = static_cast<uint32_t>(p1);
    c.word[2][i] = next2;
    c.word[3][i] = static_cast<uint32_t>(p0);
  }
}

STARLING_INLINE void philox_rounds(PhiloxLanes& c, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    philox_round(c, key0, key1);
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

struct PhiloxState {
  uint32_t key0, key1;
  uint64_t high;
  uint64_t counter;
};

STARLING_INLINE PhiloxLanes philox_counters(const PhiloxState& state, uint64_t counter) {
  PhiloxLanes c;
  for (int i = 0; i < kLanes; ++i) {
    // Counters of one group share their upper 60 bits.
    c.word[0][i] = static_cast<uint32_t>(counter) + static_cast<uint32_t>(i);
    c.word[1][i] = static_cast<uint32_t>(counter >> 32);
    c.word[2][i] = static_cast<uint32_t>(state.high);
    c.word[3][i] = static_cast<uint32_t>(state.high >> 32);
  }
  return c;
}

// Two groups at a time hide the latency of the products.
struct PhiloxFill {
  STARLING_INLINE static void run(PhiloxState* state, std::span<uint8_t> bytes) {
    constexpr size_t kSize = sizeof(PhiloxLanes);
    uint64_t counter = state->counter;
    size_t at = 0;
    for (; at + 2 * kSize <= bytes.size(); at += 2 * kSize) {
      PhiloxLanes a = philox_counters(*state, counter);
      PhiloxLanes b = philox_counters(*state, counter + kLanes);
      uint32_t key0 = state->key0;
      uint32_t key1 = state->key1;
      for (int round = 0; round < 10; ++round) {
        philox_round(a, key0, key1);
        philox_round(b, key0, key1);
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
      }
      std::memcpy(bytes.data() + at, a.word, kSize);
      std::memcpy(bytes.data() + at + kSize, b.word, kSize);
      counter += 2 * kLanes;
    }
    for (; at + kSize <= bytes.size(); at += kSize) {
      PhiloxLanes a = philox_counters(*state, counter);
      philox_rounds(a, state->key0, state->key1);
      std::memcpy(bytes.data() + at, a.word, kSize);
      counter += kLanes;
    }
    state->counter = counter;
  }
};

class PhiloxSource final : public WordSource {
 public:
  explicit PhiloxSource(const Material& material) {
    std::memcpy(&state_.key0, material.data(), 4);
    std::memcpy(&state_.key1, material.data() + 4, 4);
    std::memcpy(&state_.high, material.data() + 8, 8);
    state_.counter = 0;
  }

  void fill(std::span<uint8_t> bytes) override {
    run_on<PhiloxFill>(vector_target(), &state_, bytes);
  }

  std::unique_ptr<WordSource> ahead(uint64_t bytes) const override {
    auto source = std::make_unique<PhiloxSource>(*this);
    source->state_.counter += bytes / 16;
    return source;
  }

 private:
  PhiloxState state_;
};

}  // namespace

std::unique_ptr<WordSource> make_libcrypto_aes_source(const Material& material,
                                                      const AesCounter& counter) {
  return std::make_unique<AesSource>(material, counter);
}

std::unique_ptr<WordSource> make_aes_source(const Material& material, const AesCounter& counter) {
  if (auto source = make_vector_aes_source(material, counter)) return source;
  return make_libcrypto_aes_source(material, counter);
}

std::unique_ptr<WordSource> make_philox_source(const Material& material) {
  return std::make_unique<PhiloxSource>(material);
}

std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  PhiloxLanes lanes{};
  for (int w = 0; w < 4; ++w) lanes.word[w][0] = counter[w];
  philox_rounds(lanes, key[0], key[1]);
  return {lanes.word[0][0], lanes.word[1][0], lanes.word[2][0], lanes.word[3][0]};
}

Material hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> message) {
  Material out;
  unsigned int size = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(),
               message.size(), out.data(), &size) != nullptr &&
              size == out.size(),
          "HMAC-SHA256");
  return out;
}

}  // namespace starling
