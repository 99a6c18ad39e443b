#include "fuzz/fuzz.h"

#include <algorithm>

#include "starling/core/error.h"

namespace starling::fuzz {
namespace {

using Random = std::mt19937_64;
constexpr size_t kLongest = size_t{1} << 16;

// Extents, counts and lengths at which arithmetic goes wrong.
constexpr uint64_t kNumbers[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 uint64_t{1} << 53,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0xffffffffffffffff};

size_t below(Random& random, size_t bound) { return bound == 0 ? 0 : random() % bound; }

std::string integer_bytes(uint64_t value, size_t width, bool big) {
  std::string bytes;
  for (size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  if (big) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

void put_integer(std::string& bytes, Random& random) {
  const size_t width = size_t{1} << random() % 4;
  if (bytes.size() < width) return;
  const auto text =
      integer_bytes(kNumbers[below(random, std::size(kNumbers))], width, random() % 2 == 0);
  bytes.replace(below(random, bytes.size() - width + 1), width, text);
}

// A number written in digits becomes another.
void put_digits(std::string& bytes, Random& random) {
  constexpr const char* kDigits = "0123456789";
  const size_t begin = bytes.find_first_of(kDigits, below(random, bytes.size()));
  if (begin == std::string::npos) return;
  const size_t end = std::min(bytes.find_first_not_of(kDigits, begin), bytes.size());
  bytes.replace(begin, end - begin, std::to_string(kNumbers[below(random, std::size(kNumbers))]));
}

void put_word(std::string& bytes, const Target& target, Random& random) {
  if (target.dictionary.empty()) return;
  const auto& word = target.dictionary[below(random, target.dictionary.size())];
  const size_t at = below(random, bytes.size() + 1);
  bytes.replace(at, random() % 2 == 0 ? 0 : std::min(word.size(), bytes.size() - at), word);
}

// A piece of this input or of another seed, copied to another place.
void splice(std::string& bytes, const Target& target, Random& random) {
  const auto& other = random() % 2 == 0 ? bytes : target.seeds[below(random, target.seeds.size())];
  const size_t from = below(random, other.size());
  const auto piece = other.substr(from, 1 + below(random, std::min<size_t>(other.size(), 64)));
  bytes.insert(below(random, bytes.size() + 1), piece);
}

void change(std::string& bytes, const Target& target, Random& random) {
  const size_t at = below(random, bytes.size());
  switch (random() % 9) {
    case 0:
      if (!bytes.empty()) bytes[at] ^= static_cast<char>(1 << random() % 8);
      break;
    case 1:
      if (!bytes.empty()) bytes[at] = static_cast<char>(random());
      break;
    case 2:
      bytes.insert(at, 1 + random() % 4, static_cast<char>(random()));
      break;
    case 3:
      if (!bytes.empty()) bytes.erase(at, 1 + below(random, 8));
      break;
    case 4:
      if (random() % 4 == 0) bytes.resize(at);
      break;
    case 5:
      put_integer(bytes, random);
      break;
    case 6:
      if (!bytes.empty()) put_digits(bytes, random);
      break;
    case 7:
      put_word(bytes, target, random);
      break;
    default:
      splice(bytes, target, random);
  }
}

}  // namespace

std::string mutated(const Target& target, uint64_t trial) {
  std::seed_seq mix{trial, uint64_t{0x5eed}};
  Random random(mix);
  std::string bytes = target.seeds[below(random, target.seeds.size())];
  for (uint64_t changes = 1 + random() % 8; changes > 0; --changes) change(bytes, target, random);
  if (bytes.size() > kLongest) bytes.resize(kLongest);
  if (target.repair && random() % 4 != 0) return target.repair(std::move(bytes));
  return bytes;
}

Outcome run(const Target& target, int64_t count) {
  Outcome outcome;
  for (int64_t trial = 0; trial < count; ++trial) {
    try {
      target.read(mutated(target, static_cast<uint64_t>(trial)));
      ++outcome.accepted;
    } catch (const Error&) {
      ++outcome.refused;
    } catch (const std::exception& problem) {
      throw InternalError(target.name + ", input " + std::to_string(trial) + ": " + problem.what());
    }
  }
  return outcome;
}

}  // namespace starling::fuzz
