#pragma once
// Random streams that have names. A stream is fixed by a key and by (purpose, client, round, step):
// counter-based, so that no state is shared between threads and a resumed run continues the same
// streams. Keys made from the experiment's seed give Philox4x32-10 (Salmon et al. 2011):
// repeatable, not secret. Keys from the operating system give AES-256-CTR (libcrypto): privacy
// noise and sampling coins use these unless `insecure_seed` asks for repeatable noise.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace starling {

enum class Purpose : uint32_t {
  data = 1,
  partition,
  participation,
  initial_weights,
  shuffle,
  dropout,
  example_sampling,
  client_sampling,
  noise,
  server_noise,
  probe,
  attack,
  world,
  compression,
  feature_shift,
};

struct StreamId {
  Purpose purpose;
  int64_t client = -1;
  int64_t round = -1;
  int64_t step = -1;
};

// 256 bits and the kind of streams they give. The bytes are wiped when the key is destroyed.
class RandomKey {
 public:
  static RandomKey from_seed(uint64_t seed);  // Philox: repeatable, NOT private
  static RandomKey from_system();             // AES-256-CTR with 256 bits of getrandom
  // A secure key from its 64 hexadecimal digits. Errors: InputError, which never shows the digits.
  static RandomKey from_hex(const std::string& hex);

  RandomKey() = default;  // no key yet: streams refuse it
  RandomKey(const RandomKey&) = default;
  RandomKey& operator=(const RandomKey&) = default;
  ~RandomKey();

  // An independent key of the same kind, for instance one a client.
  RandomKey derive(const std::string& label) const;
  bool secure() const { return secure_; }
  const std::array<uint8_t, 32>& bytes() const { return bytes_; }
  std::string to_hex() const;  // a secret unless !secure()

 private:
  std::array<uint8_t, 32> bytes_{};
  bool secure_ = false;
};

// The stream of a name: its material is HMAC-SHA256(key, purpose | client | round | step), so names
// that differ anywhere give unrelated streams, and the same key and name give the same values
// again. One stream belongs to one thread. Values are the same on every x86-64 CPU: no result
// depends on the instruction set or on the C library.
class RandomStream {
 public:
  RandomStream(const RandomKey& key, StreamId id);
  ~RandomStream();
  RandomStream(RandomStream&&) noexcept;
  RandomStream& operator=(RandomStream&&) noexcept;

  uint64_t next();                       // 64 uniform bits
  void fill(std::span<uint64_t> words);  // uniform bits in bulk
  double uniform();                      // [0, 1), 53 bits
  int64_t below(int64_t bound);          // uniform on 0..bound-1 without modulo bias; bound >= 1
  // True with exactly `probability` in [0, 1]: as many bits are drawn as the comparison needs.
  bool bernoulli(double probability);
  // Standard normal in double precision by Box and Muller (1958) from 64-bit uniforms: tails are
  // right to 9 standard deviations and end at 9.49.
  double normal();
  // Distinct indices of 0..count-1, each taken with one independent coin of exactly `rate` in
  // [0, 1], ascending: Poisson sampling, with no approximation.
  std::vector<int64_t> poisson_sample(int64_t count, double rate);
  // A uniform subset of `size` indices of 0..count-1 without replacement, ascending.
  std::vector<int64_t> subset(int64_t count, int64_t size);
  void shuffle(std::span<int64_t> values);
  // values[i] = scale * (values[i] + standard_deviation * z_i), z_i independent standard normals;
  // standard_deviation >= 0, both finite. The float path takes 32 random bits a value and refines
  // uniforms below 2^-16 by 63 more, so that its tails are right to 11 standard deviations (a
  // Box-Muller of 32 bits alone ends at 6.8); it never rounds the standard deviation down.
  void add_normal(std::span<float> values, double standard_deviation, double scale = 1.0);
  void add_normal(std::span<double> values, double standard_deviation, double scale = 1.0);

 private:
  class Generator;
  std::unique_ptr<Generator> generator_;
};

}  // namespace starling
