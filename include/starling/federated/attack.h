#pragma once
// Clients that try to spoil or to bend the model, for trying robust aggregation on. Which clients
// attack is drawn from a named stream, never from data. An attack changes what its client trains on
// (label_flip, backdoor), what it uploads (sign_flip, gaussian, a scaled backdoor), or both.
// Attackers keep to privacy's own rules: they change examples before, and noised updates after, the
// mechanism, and the server clips what they send like any other upload.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "starling/core/random.h"

namespace starling {

struct NoAttack {
  static constexpr double clients = 0.0;
  bool operator==(const NoAttack&) const = default;
};

// Trains on wrong labels (Tolpekin et al. 2020, arXiv 2007.08432): label `from` becomes `to`; with
// neither, label y of C classes becomes C - 1 - y.
struct LabelFlipAttack {
  double clients = 0.2;              // share of all clients that attack, [0, 1]
  std::optional<int64_t> from = {};  // both or neither
  std::optional<int64_t> to = {};
  bool operator==(const LabelFlipAttack&) const = default;
};

// Uploads -scale times its update.
struct SignFlipAttack {
  double clients = 0.2;
  double scale = 1.0;  // > 0
  bool operator==(const SignFlipAttack&) const = default;
};

// Uploads independent normal values of standard deviation `std` instead of its update.
struct GaussianAttack {
  double clients = 0.2;
  double std = 1.0;  // > 0
  bool operator==(const GaussianAttack&) const = default;
};

// Stamps a bright square on a share of its examples, labels them `target`, and uploads `scale`
// times its update (Bagdasaryan et al. 2020, arXiv 1807.00459; Gu et al. 2017, arXiv 1708.06733).
// Success is the share of stamped test examples of other classes that the model calls `target`.
struct BackdoorAttack {
  double clients = 0.2;
  int64_t target = 0;     // >= 0
  int64_t size = 3;       // >= 1: pixels of the square's side, in the lower right corner
  double value = 1.0;     // of stamped pixels, after normalisation
  double poisoned = 0.5;  // (0, 1]: share of an attacker's examples
  double scale = 1.0;     // > 0
  bool operator==(const BackdoorAttack&) const = default;
};

using AttackSpec =
    std::variant<NoAttack, LabelFlipAttack, SignFlipAttack, GaussianAttack, BackdoorAttack>;

// "label_flip": the word of the experiment file.
std::string to_string(const AttackSpec& spec);

// round(share * clients) attackers, ascending, the same in every round.
std::vector<int64_t> draw_attackers(const AttackSpec& spec, int64_t clients, const RandomKey& key);

// What an attacker trains on: changes its examples in place, once, before training. `features` are
// [n, shape...] with shape {channels, height, width} (an example of any other rank is a row of
// pixels), `labels` [n] in 0..classes-1. Errors: InputError "/attack/...: ..." where a label is
// none of the classes or the square does not fit.
void poison(const AttackSpec& spec, std::span<float> features, const std::vector<int64_t>& shape,
            std::span<int64_t> labels, int64_t classes, int64_t client, const RandomKey& key);

// What an attacker uploads: changes the update in place.
void attack_update(const AttackSpec& spec, std::span<double> update, int64_t client, int64_t round,
                   const RandomKey& key);

// Stamps every one of the examples, whoever holds them: the test set of the success rate.
void stamp(const BackdoorAttack& spec, std::span<float> features,
           const std::vector<int64_t>& shape);

// Stamped examples of classes other than the target, and how many were predicted as the target.
struct BackdoorSuccess {
  int64_t hits = 0;
  int64_t examples = 0;
  double rate() const {
    return examples > 0 ? static_cast<double>(hits) / static_cast<double>(examples) : 0.0;
  }
};
// `labels` are the true ones. Sizes must match.
BackdoorSuccess count_success(const BackdoorAttack& spec, std::span<const int64_t> labels,
                              std::span<const int64_t> predictions);

}  // namespace starling
