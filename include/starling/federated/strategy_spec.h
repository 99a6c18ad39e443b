#pragma once
// Which strategy a federation follows, as plain values; strategy.h builds it. Notation: K local
// steps, eta the local learning rate, x the global model, y_i the client's model after training,
// d_i = y_i - x its update, and "mean" the weighted mean of the round's uploads.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace starling {

enum class Weighting {
  examples,  // a client's weight is its number of examples
  uniform,   // every client weighs the same
};

// Federated averaging (McMahan et al. 2017, arXiv 1602.05629): x += server_learning_rate mean d.
struct FedAvgSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 1.0;  // > 0
  bool operator==(const FedAvgSpec&) const = default;
};

// Server momentum (Hsu, Qi and Brown 2019, arXiv 1909.06335): v = momentum v + mean d;
// x += server_learning_rate v.
struct FedAvgMSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 1.0;  // > 0
  double momentum = 0.9;              // [0, 1)
  bool operator==(const FedAvgMSpec&) const = default;
};

// FedProx (Li et al. 2020, arXiv 1812.06127): clients minimise f_i(y) + mu/2 |y - x|^2. No mu
// suits every task; the paper tries 0.001, 0.01, 0.1 and 1.
struct FedProxSpec {
  Weighting weights = Weighting::examples;
  double mu = 0.01;  // >= 0; 0 is FedAvg
  bool operator==(const FedProxSpec&) const = default;
};

// SCAFFOLD, option II (Karimireddy et al. 2020, arXiv 1910.06378, algorithm 1): clients step by
// g - c_i + c; then c_i' = c_i - c - d_i / (K eta), upload (d_i, c_i' - c_i); the server takes
// x += server_learning_rate mean d and c += |S|/N mean(c_i' - c_i). Under heavy-ball momentum K
// is the effective number of steps, as in FedNova. The paper weighs clients alike.
struct ScaffoldSpec {
  Weighting weights = Weighting::uniform;
  double server_learning_rate = 1.0;  // > 0
  bool operator==(const ScaffoldSpec&) const = default;
};

// FedNova (Wang et al. 2020, arXiv 2007.07481, equation 8): clients upload d_i / a_i and a_i, with
// a_i the L1 norm of the weights of their gradients, K without momentum;
// x += server_learning_rate (mean a) (mean d/a).
struct FedNovaSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 1.0;  // > 0
  bool operator==(const FedNovaSpec&) const = default;
};

// Adaptive server optimizers (Reddi et al. 2021, arXiv 2003.00295, algorithm 2), D the mean update:
// m = beta_1 m + (1 - beta_1) D; x += server_learning_rate m / (sqrt(v) + tau), where v starts at
// tau^2 and, with s = D^2,
//   FedAdagrad  v += s
//   FedAdam     v = beta_2 v + (1 - beta_2) s
//   FedYogi     v -= (1 - beta_2) s sign(v - s)
// Where the server's noise has a known variance, s = D^2 - variance, whose mean is the square of
// the noiseless D (DP-AdamBC, Tang et al. 2024, arXiv 2312.14334), and a negative v counts as 0, so
// that tau bounds the steps.
struct FedAdagradSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 0.1;  // > 0
  double beta_1 = 0.0;                // [0, 1)
  double tau = 1e-3;                  // > 0: degree of adaptivity
  bool operator==(const FedAdagradSpec&) const = default;
};
struct FedAdamSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 0.1;  // > 0
  double beta_1 = 0.9;                // [0, 1)
  double beta_2 = 0.99;               // [0, 1)
  double tau = 1e-3;                  // > 0
  bool operator==(const FedAdamSpec&) const = default;
};
struct FedYogiSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 0.1;  // > 0
  double beta_1 = 0.9;                // [0, 1)
  double beta_2 = 0.99;               // [0, 1)
  double tau = 1e-3;                  // > 0
  bool operator==(const FedYogiSpec&) const = default;
};

// FedDyn (Acar et al. 2021, arXiv 2111.04263, algorithm 1): clients minimise
// f_i(y) - <l_i, y> + alpha/2 |y - x|^2, then l_i -= alpha d_i; the server takes
// h -= alpha |S|/N mean d and x += mean d - h / alpha. The paper weighs clients alike.
struct FedDynSpec {
  Weighting weights = Weighting::uniform;
  double alpha = 0.01;  // > 0
  bool operator==(const FedDynSpec&) const = default;
};

// q-FedAvg (Li et al. 2020, arXiv 1905.10497, algorithm 2), which evens out losses: with F_i the
// client's loss under the global model and L = 1 / eta, x -= sum F_i^q L (x - y_i) / sum h_i and
// h_i = q F_i^(q-1) |L (x - y_i)|^2 + L F_i^q. Uploads are both terms over L. Losses count from
// 1e-10, as in the authors' code.
struct QFedAvgSpec {
  static constexpr Weighting weights = Weighting::uniform;
  double q = 0.2;  // >= 0; 0 is FedAvg with uniform weights
  bool operator==(const QFedAvgSpec&) const = default;
};

// FedBN (Li et al. 2021, arXiv 2102.07623): FedAvg in which clients keep their normalisation
// layers.
struct FedBnSpec {
  Weighting weights = Weighting::examples;
  bool operator==(const FedBnSpec&) const = default;
};

// FedPer (Arivazhagan et al. 2019, arXiv 1912.00818): FedAvg in which clients keep the layers
// named.
struct FedPerSpec {
  Weighting weights = Weighting::examples;
  std::vector<std::string> personal = {};  // tensors or the modules that hold them; not empty
  bool operator==(const FedPerSpec&) const = default;
};

// Ditto (Li et al. 2021, arXiv 2012.04221): FedAvg, and beside it every client trains a model v_i
// of its own that minimises f_i(v) + lambda/2 |v - x|^2.
struct DittoSpec {
  Weighting weights = Weighting::examples;
  double lambda = 0.1;  // >= 0; 0 is local training alone
  bool operator==(const DittoSpec&) const = default;
};

// Who adds the noise of example-level privacy.
enum class NoiseBy {
  client,  // each client to its own upload, which then protects its examples from the server too
  server,  // the server, once, to the sum over a round's clients: it is trusted with the sums
};

// FedSGD (McMahan et al. 2017): clients upload the gradient d_i / eta of one step;
// x += server_learning_rate mean. A batch as large as the client makes the step a full one.
// With noise_by server it is DP-SGD (Abadi et al. 2016) over the federation: clients upload sums of
// clipped example gradients over a Poisson sample, and
// x -= server_learning_rate (sum + noise) / expected examples of the round.
struct FedSgdSpec {
  Weighting weights = Weighting::examples;
  double server_learning_rate = 0.1;  // > 0
  NoiseBy noise_by = NoiseBy::client;
  bool operator==(const FedSgdSpec&) const = default;
};

// FedBuff (Nguyen et al. 2022, arXiv 2106.06639): clients work at their own pace, `concurrency` at
// a time; after every buffer_size uploads x += server_learning_rate mean(s_i d_i), with
// s_i = 1 / sqrt(1 + staleness) and staleness the global models made since the client began.
struct FedBuffSpec {
  static constexpr Weighting weights = Weighting::uniform;
  double server_learning_rate = 1.0;  // > 0
  int64_t buffer_size = 10;           // >= 1
  int64_t max_staleness = 100;        // >= 0; an older upload is left out
  int64_t concurrency = 20;           // >= 1
  bool operator==(const FedBuffSpec&) const = default;
};

// What strategies that distil share. The public set is `public_examples` of the training examples,
// drawn before the others are dealt out; their labels are not used, and under privacy they count as
// public. Models learn the mean answers on it, by Adam, for `epochs` epochs a round. Where
// examples_per_round is given, a round takes that many of them, in turn.
struct PublicDistillation {
  int64_t public_examples = 1000;                  // >= 1
  std::optional<int64_t> examples_per_round = {};  // 1 to public_examples; absent: all
  int64_t epochs = 5;                              // >= 1
  int64_t batch_size = 64;                         // >= 1
  double learning_rate = 1e-3;                     // > 0
  bool operator==(const PublicDistillation&) const = default;
};

// FedDF (Lin et al. 2020, arXiv 2006.07242, algorithm 1): x += mean d, then x learns the softened
// mean logits of the clients' models, which the server computes on the public set. Clients of other
// architectures have a global model a class of devices: the mean of its own clients, which then
// learns the mean logits of all (algorithm 3).
struct FedDfSpec {
  Weighting weights = Weighting::examples;
  double temperature = 1.0;  // > 0, of the mean logits and of x
  PublicDistillation distillation;
  bool operator==(const FedDfSpec&) const = default;
};

// DS-FL (Itahara et al. 2020, arXiv 2008.06180, algorithm 1): clients keep their models and upload
// their class probabilities p_i on the public set in the place of an update; the server sharpens
// their mean, t = softmax(mean p / temperature) (entropy reduction), learns t, and sends it to the
// clients, which learn it before they next train. The paper weighs clients alike.
struct DsFlSpec {
  Weighting weights = Weighting::uniform;
  double temperature = 0.1;  // > 0; below 1 it lowers the entropy of t
  PublicDistillation distillation;
  bool operator==(const DsFlSpec&) const = default;
};

// FedMD (Li and Wang 2019, arXiv 1910.03581, algorithm 1): clients keep their models, upload their
// logits on the public set, and digest the mean (the consensus) before they next train. The
// distance is the Kullback-Leibler divergence of softened answers. Beyond the paper the server
// learns the consensus as well. The paper's first phase, training on the public set with its
// labels, takes pretraining_epochs by Adam, with the batch size and rate of the distillation; it is
// done once for each architecture, since its clients would begin alike.
struct FedMdSpec {
  Weighting weights = Weighting::uniform;
  double temperature = 1.0;        // > 0
  int64_t pretraining_epochs = 0;  // >= 0; 0 never looks at public labels
  PublicDistillation distillation;
  bool operator==(const FedMdSpec&) const = default;
};

using StrategySpec =
    std::variant<FedAvgSpec, FedAvgMSpec, FedProxSpec, ScaffoldSpec, FedNovaSpec, FedAdagradSpec,
                 FedAdamSpec, FedYogiSpec, FedDynSpec, QFedAvgSpec, FedBnSpec, FedPerSpec,
                 DittoSpec, FedSgdSpec, FedBuffSpec, FedDfSpec, DsFlSpec, FedMdSpec>;

// "fedavg": the word of the experiment file.
std::string to_string(const StrategySpec& spec);
Weighting weighting_of(const StrategySpec& spec);
// Null for a strategy that does not distil.
const PublicDistillation* distillation_of(const StrategySpec& spec);
// fedsgd with noise_by server.
bool server_adds_example_noise(const StrategySpec& spec);

}  // namespace starling
