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
};

struct StreamId {
  Purpose purpose;
  int64_t client = -1;
  int64_t round = -1;
  int64_t step = -1;
};

class RandomKey {
 public:
  static RandomKey from_seed(uint64_t seed);  // Philox: repeatable, NOT private
  static RandomKey from_system();             // AES-256-CTR with 256 bits of getrandom
  static RandomKey from_hex(const std::string& hex);

  // An independent key of the same kind, for instance one a client.
  RandomKey derive(const std::string& label) const;
  bool secure() const { return secure_; }
  const std::array<uint8_t, 32>& bytes() const { return bytes_; }
  std::string to_hex() const;  // a secret unless !secure()

 private:
  std::array<uint8_t, 32> bytes_{};
  bool secure_ = false;
};

class RandomStream {
 public:
  RandomStream(const RandomKey& key, StreamId id);
  ~RandomStream();
  RandomStream(RandomStream&&) noexcept;
  RandomStream& operator=(RandomStream&&) noexcept;

  uint64_t next();               // 64 uniform bits
  double uniform();              // [0, 1), 53 bits
  int64_t below(int64_t bound);  // uniform on 0..bound-1 without modulo bias; bound >= 1
  bool bernoulli(double probability);
  double normal();  // standard normal in double precision
  // Distinct indices of 0..count-1, each taken with one independent coin of `rate`, ascending.
  std::vector<int64_t> poisson_sample(int64_t count, double rate);
  // A uniform subset of `size` indices of 0..count-1 without replacement, ascending.
  std::vector<int64_t> subset(int64_t count, int64_t size);
  void shuffle(std::span<int64_t> values);
  // values[i] = scale * (values[i] + standard_deviation * z_i): the vectorised float path.
  void add_normal(std::span<float> values, double standard_deviation, double scale = 1.0);
  void add_normal(std::span<double> values, double standard_deviation, double scale = 1.0);

 private:
  class Generator;
  std::unique_ptr<Generator> generator_;
};

}  // namespace starling
