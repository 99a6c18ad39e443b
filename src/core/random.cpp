#include "starling/core/random.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "core/normal_kernels.h"
#include "core/random_blocks.h"
#include "core/threads.h"
#include "starling/core/error.h"

namespace starling {
namespace {

Material material_of(const RandomKey& key, const StreamId& id) {
  constexpr char kLabel[] = "starling stream, version 1:";
  const uint64_t fields[] = {static_cast<uint64_t>(id.purpose), static_cast<uint64_t>(id.client),
                             static_cast<uint64_t>(id.round), static_cast<uint64_t>(id.step)};
  std::vector<uint8_t> message(kLabel, kLabel + sizeof kLabel - 1);
  for (const uint64_t field : fields) {
    for (int i = 0; i < 8; ++i) message.push_back(static_cast<uint8_t>(field >> (8 * i)));
  }
  return hmac_sha256(key.bytes(), message);
}

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  return buffer;
}

void check_probability(double probability, const char* place) {
  if (!(probability >= 0.0 && probability <= 1.0)) {
    throw Error(std::string(place) + ": " + text(probability) + " is outside [0, 1]");
  }
}

// A float at least as large, so that noise is never smaller than was accounted for.
float float_at_least(double value) {
  const float nearest = static_cast<float>(value);
  return nearest < value ? std::nextafter(nearest, INFINITY) : nearest;
}

void check_noise(double standard_deviation, double scale, double largest) {
  if (!(standard_deviation >= 0.0 && standard_deviation <= largest)) {
    throw Error("add_normal: standard deviation " + text(standard_deviation) + " is outside [0, " +
                text(largest) + "]");
  }
  if (!(std::abs(scale) <= largest)) {
    throw Error("add_normal: scale " + text(scale) + " is not a finite number of the values' type");
  }
}

constexpr size_t kBufferWords = 128;
constexpr int64_t kBlockPairs = 1024;
constexpr int64_t kFewestBlocks = 16, kMostBlocks = 32;  // that are shared out to threads

// OPENSSL_cleanse for blocks: at the speed of memset, which the barrier keeps from being removed.
void wipe(void* bytes, size_t size) {
  std::memset(bytes, 0, size);
  __asm__ volatile("" : : "r"(bytes) : "memory");
}

// Random words on the stack, wiped when they go.
template <typename Word>
struct Words {
  alignas(64) Word at[2 * kBlockPairs];
  int64_t count = 0;
  ~Words() { wipe(at, static_cast<size_t>(count) * sizeof(Word)); }
};

}  // namespace

class RandomStream::Generator {
 public:
  Generator(const RandomKey& key, const StreamId& id) {
    if (std::ranges::all_of(key.bytes(), [](uint8_t byte) { return byte == 0; })) {
      throw Error("RandomStream: the key is empty; take RandomKey::from_system() or from_seed()");
    }
    Material material = material_of(key, id);
    source_ = key.secure() ? make_aes_source(material) : make_philox_source(material);
    OPENSSL_cleanse(material.data(), material.size());
  }
  ~Generator() {
    OPENSSL_cleanse(buffer_, sizeof buffer_);
    OPENSSL_cleanse(&spare_, sizeof spare_);
  }

  uint64_t next() {
    if (position_ == kBufferWords) {
      source_->fill({reinterpret_cast<uint8_t*>(buffer_), sizeof buffer_});
      position_ = 0;
    }
    return buffer_[position_++];
  }

  // Bulk words, taken from the source behind whatever next() has buffered.
  template <typename Word>
  void fill(Words<Word>& words, int64_t count) {
    constexpr size_t kGroup = WordSource::kGroup;
    const size_t bytes = static_cast<size_t>(count) * sizeof(Word);
    const size_t whole = (bytes + kGroup - 1) / kGroup * kGroup;
    words.count = static_cast<int64_t>(whole / sizeof(Word));
    source_->fill({reinterpret_cast<uint8_t*>(words.at), whole});
  }

  void fill(std::span<uint64_t> words) {
    const size_t whole = words.size_bytes() / WordSource::kGroup * WordSource::kGroup;
    source_->fill({reinterpret_cast<uint8_t*>(words.data()), whole});
    for (uint64_t& word : words.subspan(whole / sizeof(uint64_t))) word = next();
  }

  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const uint64_t radius = next();
    const uint64_t angle = next();
    double values[2] = {0.0, 0.0};
    add_normal_pairs(DoublePairs{&radius, &angle, values, 1, 1.0, 1.0});
    has_spare_ = true;
    spare_ = values[1];
    return values[0];
  }

  template <typename Word, typename Value>
  void add_normal(std::span<Value> values, Value standard_deviation, Value scale) {
    while (std::ssize(values) >= kFewestBlocks * 2 * kBlockPairs && thread_count() > 1)
      values = values.subspan(add_on_threads<Word>(values, standard_deviation, scale));
    while (!values.empty()) {
      const int64_t size = std::min<int64_t>(2 * kBlockPairs, std::ssize(values));
      const int64_t pairs = size / 2;
      Words<Word> words;
      fill(words, size + size % 2);
      add_pairs({words.at, words.at + pairs, values.data(), pairs, standard_deviation, scale});
      if (size % 2 != 0) {
        Value last[2] = {values[size - 1], 0};
        const Word* rest = words.at + 2 * pairs;
        add_pairs({rest, rest + 1, last, 1, standard_deviation, scale});
        values[size - 1] = last[0];
      }
      values = values.subspan(size);
    }
  }

 private:
  // The first values, by the words that one thread would take; returns how many. A block whose
  // refinement takes new words from the source is the last: what follows moves by them.
  template <typename Word, typename Value>
  size_t add_on_threads(std::span<Value> values, Value standard_deviation, Value scale) {
    constexpr int64_t kSize = 2 * kBlockPairs, kBytes = kSize * sizeof(Word);
    const int64_t most = std::min(std::ssize(values) / kSize, kMostBlocks);
    const auto words = std::make_unique_for_overwrite<Words<Word>[]>(static_cast<size_t>(most));
    std::array<int64_t, kMostBlocks> refined{};
    on_threads(most, [&](int64_t begin, int64_t end) {
      const auto source = source_->ahead(static_cast<uint64_t>(begin * kBytes));
      for (int64_t b = begin; b < end; ++b) {
        words[b].count = kSize;
        source->fill({reinterpret_cast<uint8_t*>(words[b].at), static_cast<size_t>(kBytes)});
        refined[b] = std::ranges::count_if(std::span(words[b].at).template first<kBlockPairs>(),
                                           [](Word radius) { return needs_refinement(radius); });
      }
    });
    int64_t blocks = 0, left = static_cast<int64_t>(kBufferWords - position_);
    while (blocks < most && left >= 0) left -= refined[blocks++];

    const auto pairs = [&](int64_t b) {
      return NormalPairs<Word, Value>{words[b].at, words[b].at + kBlockPairs, &values[b * kSize],
                                      kBlockPairs, standard_deviation,        scale};
    };
    on_threads(blocks, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) add_normal_pairs(pairs(b));
    });
    source_ = source_->ahead(static_cast<uint64_t>(blocks * kBytes));
    if constexpr (sizeof(Word) == sizeof(uint32_t)) {
      for (int64_t b = 0; b < blocks; ++b)
        if (refined[b] > 0) refine(pairs(b));
    }
    return static_cast<size_t>(blocks * kSize);
  }

  template <typename Word>
  static bool needs_refinement(Word radius) {
    return sizeof(Word) == sizeof(uint32_t) && radius < kRefineBelow;
  }

  void add_pairs(const DoublePairs& pairs) { add_normal_pairs(pairs); }
  void add_pairs(const FloatPairs& pairs) {
    if (add_normal_pairs(pairs)) refine(pairs);
  }

  void refine(const FloatPairs& work) {
    for (int64_t i = 0; i < work.pairs; ++i) {
      if (!needs_refinement(work.radius[i])) continue;
      const NormalPair z = refined_normal_pair(work.radius[i], next(), work.angle[i]);
      float& first = work.values[i];
      float& second = work.values[work.pairs + i];
      first = work.scale * (first + work.standard_deviation * static_cast<float>(z.first));
      second = work.scale * (second + work.standard_deviation * static_cast<float>(z.second));
    }
  }

  std::unique_ptr<WordSource> source_;
  uint64_t buffer_[kBufferWords];
  size_t position_ = kBufferWords;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

RandomStream::RandomStream(const RandomKey& key, StreamId id)
    : generator_(std::make_unique<Generator>(key, id)) {}
RandomStream::~RandomStream() = default;
RandomStream::RandomStream(RandomStream&&) noexcept = default;
RandomStream& RandomStream::operator=(RandomStream&&) noexcept = default;

uint64_t RandomStream::next() { return generator_->next(); }

void RandomStream::fill(std::span<uint64_t> words) { generator_->fill(words); }

double RandomStream::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double RandomStream::normal() { return generator_->normal(); }

// Lemire (2019), "Fast random integer generation in an interval".
int64_t RandomStream::below(int64_t bound) {
  if (bound < 1) {
    throw Error("RandomStream::below: bound " + std::to_string(bound) + " is below 1");
  }
  const uint64_t range = static_cast<uint64_t>(bound);
  unsigned __int128 product = static_cast<unsigned __int128>(next()) * range;
  if (static_cast<uint64_t>(product) < range) {
    const uint64_t refused = -range % range;
    while (static_cast<uint64_t>(product) < refused) {
      product = static_cast<unsigned __int128>(next()) * range;
    }
  }
  return static_cast<int64_t>(product >> 64);
}

bool RandomStream::bernoulli(double probability) {
  check_probability(probability, "RandomStream::bernoulli: probability");
  if (probability == 1.0) return true;
  while (probability > 0.0) {
    probability *= 0x1p64;
    const double whole = std::floor(probability);
    const uint64_t threshold = static_cast<uint64_t>(whole);
    const uint64_t word = next();
    if (word != threshold) return word < threshold;
    probability -= whole;
  }
  return false;
}

// Eight coins a word: the first 8 bits of each decide, unless they equal those of the rate.
std::vector<int64_t> RandomStream::poisson_sample(int64_t count, double rate) {
  check_probability(rate, "RandomStream::poisson_sample: rate");
  if (count < 0) {
    throw Error("RandomStream::poisson_sample: count " + std::to_string(count) + " is negative");
  }
  std::vector<int64_t> taken;
  if (rate == 1.0) {
    taken.resize(static_cast<size_t>(count));
    std::iota(taken.begin(), taken.end(), int64_t{0});
    return taken;
  }
  taken.reserve(static_cast<size_t>(1.1 * rate * static_cast<double>(count)) + 16);
  const uint64_t threshold = static_cast<uint64_t>(rate * 256);
  const double rest = rate * 256 - static_cast<double>(threshold);
  constexpr uint64_t kOnes = 0x0101010101010101;
  Words<uint64_t> words;
  for (int64_t start = 0; start < count; start += 16 * kBlockPairs) {
    const int64_t coins = std::min(count - start, 16 * kBlockPairs);
    generator_->fill(words, (coins + 7) / 8);
    for (int64_t first = 0; first < coins; first += 8) {
      const uint64_t word = words.at[first / 8];
      const bool none =
          threshold < 128 && ((word - kOnes * (threshold + 1)) & ~word & (kOnes << 7)) == 0;
      if (none) continue;
      for (int64_t i = first; i < std::min(first + 8, coins); ++i) {
        const uint64_t byte = word >> (8 * (i - first)) & 255;
        if (byte < threshold || (byte == threshold && bernoulli(rest))) taken.push_back(start + i);
      }
    }
  }
  return taken;
}

// Floyd's algorithm (Bentley and Floyd 1987); of two complementary subsets the smaller is drawn.
std::vector<int64_t> RandomStream::subset(int64_t count, int64_t size) {
  if (count < 0 || size < 0 || size > count) {
    throw Error("RandomStream::subset: size " + std::to_string(size) + " is outside 0.." +
                std::to_string(count));
  }
  const int64_t drawn = std::min(size, count - size);
  std::unordered_set<int64_t> chosen;
  chosen.reserve(static_cast<size_t>(drawn));
  for (int64_t last = count - drawn; last < count; ++last) {
    const int64_t index = below(last + 1);
    chosen.insert(chosen.contains(index) ? last : index);
  }
  std::vector<int64_t> indices;
  if (drawn == size) {
    indices.assign(chosen.begin(), chosen.end());
    std::ranges::sort(indices);
    return indices;
  }
  indices.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < count; ++i) {
    if (!chosen.contains(i)) indices.push_back(i);
  }
  return indices;
}

void RandomStream::shuffle(std::span<int64_t> values) {
  for (size_t remaining = values.size(); remaining > 1; --remaining) {
    std::swap(values[remaining - 1],
              values[static_cast<size_t>(below(static_cast<int64_t>(remaining)))]);
  }
}

void RandomStream::add_normal(std::span<float> values, double standard_deviation, double scale) {
  check_noise(standard_deviation, scale, std::numeric_limits<float>::max());
  generator_->add_normal<uint32_t>(values, float_at_least(standard_deviation),
                                   static_cast<float>(scale));
}

void RandomStream::add_normal(std::span<double> values, double standard_deviation, double scale) {
  check_noise(standard_deviation, scale, std::numeric_limits<double>::max());
  generator_->add_normal<uint64_t>(values, standard_deviation, scale);
}

}  // namespace starling
