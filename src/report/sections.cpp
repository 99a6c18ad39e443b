#include "report/sections.h"

#include <algorithm>
#include <cmath>

#include "report/format.h"
#include "starling/report/report.h"

namespace starling::report {
namespace {

constexpr double kFalsePositiveRate = 1e-3;

using Facts = std::vector<std::pair<std::string, std::string>>;

// A value of the resolved experiment in words; "" where it is absent.
std::string setting(const RunRecord& record, const char* pointer) {
  const Json::json_pointer place(pointer);
  if (!record.experiment.contains(place)) return "";
  const Json& value = record.experiment.at(place);
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? number(value.get<double>()) : value.dump();
}

void add(Facts& facts, const std::string& label, const std::string& value) {
  if (!value.empty()) facts.emplace_back(label, value);
}

std::string span_of(const RunRecord& record, std::optional<double> ClientRecord::*field) {
  double low = kInfinity, high = -kInfinity;
  for (const auto& client : record.clients) {
    if (!(client.*field)) continue;
    low = std::min(low, *(client.*field));
    high = std::max(high, *(client.*field));
  }
  if (low > high) return "";
  const auto text = [](double value) { return value < 0.01 ? number(value) : rounded(value, 4); };
  return low == high ? text(low) : text(low) + " to " + text(high);
}

std::string relation_in_words(const PrivacyStatement& p) {
  if (p.unit == "client") {
    if (p.relation == "add_remove")
      return "add_remove: one client more or less, with all its data.";
    if (p.relation == "replace_one")
      return "replace_one: one client is any other; twice the sensitivity.";
    return "zero_out: one client contributes nothing. The client list is public.";
  }
  if (p.relation == "add_remove")
    return "add_remove: one record more or less. Numbers of examples are private.";
  if (p.relation == "replace_one")
    return "replace_one: one record is any other; twice the sensitivity. Numbers of examples are "
           "public.";
  return "zero_out: one record contributes nothing. Numbers of examples, aggregation weights, "
         "sampling rates and the client list are public.";
}

std::string trust(const PrivacyStatement& p) {
  if (p.unit == "client")
    return "Central: the server clips every upload and adds the noise to their sum; it is trusted.";
  if (p.noise_by == "server")
    return "Central: each client clips its examples' gradients and uploads their sum; the server "
           "adds the noise to the sum over a round's clients, and is trusted with theirs.";
  if (p.adversary == "server_and_models")
    return "Local: each client clips and adds its noise before anything leaves it. The server need "
           "not be trusted.";
  return "Each client clips and adds its noise before anything leaves it; the server is trusted to "
         "show the uploads to nobody.";
}

Section definition(const RunRecord& record, const PrivacyStatement& p) {
  Section section{"Definition", {}, {}};
  add(section.facts, "Unit of privacy",
      p.unit == "client" ? "one client with all its data" : "one training example of one client");
  add(section.facts, "Neighbouring data", relation_in_words(p));
  add(section.facts, "Adversary", p.adversary + ": " + who_sees(p));
  add(section.facts, "Who adds noise", trust(p));
  add(section.facts, "Releases covered",
      (p.noise_by == "server" ? "the global models of " : "the uploads and global models of ") +
          plural(static_cast<int64_t>(record.rounds.size()), "round") +
          (record.columns.empty() ? "" : ", and the sums that standardise columns"));
  add(section.facts, "Taken as public",
      "model architecture, hyper-parameters, " +
          std::string(p.unit == "client" ? "the number of clients" : "the participation schedule") +
          ", and the test set, on which accuracy and loss are measured");
  return section;
}

std::string clipping_in_words(const PrivacyStatement& p) {
  const std::string norm = number(p.clip_norm);
  const std::string what =
      p.unit == "client" ? "each client's whole update" : "each example's whole gradient";
  if (p.clipping == "per_layer")
    return "per layer: an equal share for each parameter, L2 norm " + norm + " in all";
  if (p.clipping == "automatic") return "automatic: " + what + " is scaled to L2 norm " + norm;
  return "flat: " + what + " to L2 norm " + norm;
}

std::string sampling_in_words(const RunRecord& record, const PrivacyStatement& p) {
  const std::string rates = span_of(record, &ClientRecord::sample_rate);
  const std::string suffix = rates.empty() ? "" : ", rate " + rates;
  if (p.sampling == "shuffle") return "shuffled epochs; no amplification is claimed";
  if (p.sampling == "fixed") return "batches of fixed size without replacement" + suffix;
  return "Poisson: one independent coin an example and step" + suffix;
}

std::string deviation(const RunRecord& record, const PrivacyStatement& p) {
  double largest = 0.0;
  for (const auto& client : record.clients)
    largest = std::max(largest, client.noise_multiplier.value_or(0.0) * p.clip_norm);
  return largest == 0.0 ? "" : "up to " + rounded(largest, 4) + " on the sum of clipped gradients";
}

std::string cohorts_in_words(const PrivacyStatement& p) {
  if (p.sampling == "poisson")
    return "Poisson: one independent secret coin a client and round" +
           (p.sample_rate ? ", rate " + number(*p.sample_rate) : "");
  if (p.sampling == "fixed") return "secret cohorts of fixed size, without replacement";
  if (p.sampling == "tree") return "a public schedule; no sampling";
  return "every client in every round";
}

Section client_mechanism(const PrivacyStatement& p) {
  Section section{"Mechanism and accounting", {}, {}};
  add(section.facts, "Mechanism",
      p.sampling == "tree" ? "DP-FTRL: Gaussian noise on the nodes of a tree over the rounds' sums"
                           : "DP-FedAvg: Gaussian noise on the sum of clipped client updates");
  add(section.facts, "Clipping", clipping_in_words(p));
  if (p.noise_multiplier) add(section.facts, "Noise multiplier", rounded(*p.noise_multiplier, 4));
  add(section.facts, "Cohorts", cohorts_in_words(p));
  if (p.divisor)
    add(section.facts, "Divisor",
        number(*p.divisor) + ", a public constant that sums are divided by");
  return section;
}

// By whom and how the releases were added up.
void add_accounting(Section& section, const PrivacyStatement& p) {
  add(section.facts, "Accountant",
      p.accountant + (p.accountant_detail.empty() ? "" : " (" + p.accountant_detail + ")"));
  if (p.error)
    add(section.facts, "Numerical error",
        "at most " + rounded_up_significant(*p.error) + " too high");
  if (p.rdp_epsilon) add(section.facts, "Epsilon by RDP", rounded_up(*p.rdp_epsilon, 3));
}

Section example_mechanism(const RunRecord& record, const PrivacyStatement& p) {
  Section section{"Mechanism and accounting", {}, {}};
  add(section.facts, "Mechanism", "DP-SGD: Gaussian noise on the sum of clipped example gradients");
  add(section.facts, "Clipping", clipping_in_words(p));
  add(section.facts, "Noise multiplier", span_of(record, &ClientRecord::noise_multiplier));
  add(section.facts, "Noise standard deviation", deviation(record, p));
  add(section.facts, "Batches", sampling_in_words(record, p));
  add(section.facts, "Expected batch",
      setting(record, "/local/batch_size") +
          " examples, a public constant that sums are divided by" +
          (p.noise_by == "server" ? ", added up over the clients scheduled" : "") +
          (p.relation == "add_remove" ? "" : "; a client that holds fewer: their number"));
  return section;
}

Section mechanism(const RunRecord& record, const PrivacyStatement& p) {
  const bool is_client = p.unit == "client";
  Section section = is_client ? client_mechanism(p) : example_mechanism(record, p);
  add_accounting(section, p);
  add(section.facts, "Composition",
      is_client
          ? "all rounds of the server add up"
          : std::string("all steps of a client add up") +
                (record.columns.empty() ? "" : ", and its release of column sums to them") +
                "; clients hold different examples, so the federation has the largest client's "
                "epsilon");
  add(section.facts, "Not claimed",
      is_client ? "anything for noise that clients add themselves"
                : "amplification by the sampling of clients, by shuffling, or by hiding "
                  "intermediate models");
  return section;
}

Section ledger(const RunRecord& record, const PrivacyStatement& p) {
  Section section{"Ledger", {}, {}};
  add(section.facts, "Lines",
      grouped(p.ledger_lines) + ", one a unit, client and round" +
          (record.columns.empty() ? "" : " and one a client's column sums") +
          ", each on the disk before its noise");
  add(section.facts, "Hash of the last line", p.ledger_head);
  add(section.facts, "Resumed", record.resumes == 0 ? "never" : plural(record.resumes, "time"));
  if (p.target_epsilon) {
    const double left = std::max(0.0, *p.target_epsilon - p.epsilon);
    add(section.facts, "Budget",
        "epsilon " + number(*p.target_epsilon) + "; spent " + rounded_up(p.epsilon, 4) + ", left " +
            rounded(std::floor(left * 1e4) / 1e4, 4));
  }
  add(section.facts, "Recompute",
      "starling privacy epsilon --ledger RUN/ledger.jsonl --delta " + number(p.delta));
  return section;
}

std::string tier(double epsilon) {
  if (epsilon <= 1.0) return "strong (at most 1)";
  if (epsilon <= kLargestReasonableEpsilon) return "reasonable (above 1, at most 10)";
  return "WEAK (above 10)";
}

Section judged(const PrivacyStatement& p) {
  Section section{"Values judged", {}, {}};
  add(section.facts, "Epsilon", tier(p.epsilon) + ", by the tiers of Ponomareva et al. 2023");
  if (p.unit == "client") {
    add(section.facts, "Delta * clients",
        number(p.delta) + " * " + grouped(p.clients.value_or(0)) + " = " +
            rounded(p.delta * static_cast<double>(p.clients.value_or(0)), 4) +
            (is_delta_small(p) ? "; below 1, as it must be" : "; TOO LARGE, it must be below 1"));
  } else if (p.largest_client) {
    const double product = p.delta * static_cast<double>(*p.largest_client);
    add(section.facts, "Delta * largest client",
        number(p.delta) + " * " + grouped(*p.largest_client) + " = " + rounded(product, 4) +
            (is_delta_small(p) ? "; below 1, as it must be" : "; TOO LARGE, it must be below 1"));
  } else {
    add(section.facts, "Delta * largest client",
        "not shown, since numbers of examples are private; it must be below 1");
  }
  add(section.facts, "Membership advantage",
      "at most " + percent(membership_advantage(p.epsilon, p.delta), 1) + " for any attacker");
  add(section.facts, "Attacker's true positives",
      "at most " + percent(true_positive_rate(p.epsilon, p.delta, kFalsePositiveRate), 2) +
          " at 0.1 % false positives");
  for (const auto& [epsilon, delta] : p.delta_at)
    add(section.facts, "Delta at epsilon " + number(epsilon), rounded_up_significant(delta));
  add(section.facts, "Audit", "none: no attack has been tried on this run");
  return section;
}

Section environment(const RunRecord& record) {
  Section section{"Environment", {}, {}};
  for (const auto& [name, value] : record.environment) add(section.facts, name, value);
  return section;
}

std::string data_in_words(const RunRecord& record) {
  return setting(record, "/dataset/name") + ": " +
         (record.train_examples ? grouped(*record.train_examples) : "a private number of") +
         " training and " + grouped(record.test_examples) + " test examples";
}

std::string megabytes(int64_t bytes) {
  return rounded(static_cast<double>(bytes) / 1e6, 3) + " MB";
}

Section weights(const RunRecord& record) {
  Section section{"Weights beside the truth", {}, {}};
  for (const auto& weight : record.weights)
    add(section.facts, weight.name,
        rounded(weight.learned, 4) + " learned, " + number(weight.truth) + " true");
  return section;
}

Section columns(const RunRecord& record) {
  Section section{"Standardisation", {}, {}};
  const std::string noise = setting(record, "/dataset/standardization/noise_multiplier");
  add(section.facts, "Mechanism",
      "each client releases once, before the first round, the sums of its columns and of their "
      "squares, clipped to public bounds, with Gaussian noise of multiplier " +
          noise + "; the run's epsilon counts it");
  for (const auto& column : record.columns)
    add(section.facts, column.name,
        "mean " + significant(column.mean) + ", standard deviation " + significant(column.std));
  return section;
}

Section training(const RunRecord& record) {
  Section section{"Training", {}, {}};
  add(section.facts, "Data", data_in_words(record));
  add(section.facts, "Clients",
      plural(record.population, "client") + ", " + setting(record, "/partition/kind"));
  add(section.facts, "Rounds",
      grouped(static_cast<int64_t>(record.rounds.size())) + " of " +
          grouped(record.rounds_planned));
  add(section.facts, "Parameters", grouped(record.parameters));
  add(section.facts, "Optimizer",
      setting(record, "/local/optimizer/kind") + ", learning rate " +
          setting(record, "/local/optimizer/learning_rate") + ", schedule " +
          setting(record, "/local/schedule/kind"));
  add(section.facts, "Strategy", setting(record, "/strategy/kind"));
  for (const auto& [label, pointer] :
       {std::pair("Aggregation", "/aggregation/kind"), std::pair("Attack tried", "/attack/kind"),
        std::pair("Compression", "/communication/kind")}) {
    const std::string kind = setting(record, pointer);
    if (kind != "none" && kind != "mean") add(section.facts, label, kind);
  }
  if (record.bytes_up)
    add(section.facts, "Communication",
        megabytes(*record.bytes_up) + " up, " + megabytes(*record.bytes_down) + " down");
  if (!record.rounds.empty() && record.rounds.back().client_accuracy) {
    const auto& spread = *record.rounds.back().client_accuracy;
    add(section.facts, "Accuracy over clients",
        "mean " + percent(spread.mean) + ", standard deviation " +
            percent(spread.standard_deviation) + ", " + percent(spread.smallest) + " to " +
            percent(spread.largest) + ", each on its own examples");
  }
  if (!record.rounds.empty() && !record.rounds.back().device_accuracy.empty()) {
    std::string accuracies;
    for (const double accuracy : record.rounds.back().device_accuracy)
      accuracies += (accuracies.empty() ? "" : ", ") + percent(accuracy);
    add(section.facts, "Accuracy of the devices' models", accuracies);
  }
  if (!record.rounds.empty() && record.rounds.back().attack_success)
    add(section.facts, "Backdoor success", percent(*record.rounds.back().attack_success));
  add(section.facts, "Status", record.status);
  add(section.facts, "Time", duration(record.seconds));
  return section;
}

}  // namespace

std::string loss_title(const RunRecord& record) {
  return setting(record, "/loss/kind") == "mse" ? "Test mean squared error" : "Test loss";
}

const RoundRecord* last_evaluated(const RunRecord& record) {
  const auto found =
      std::find_if(record.rounds.rbegin(), record.rounds.rend(),
                   [](const RoundRecord& round) { return round.accuracy || round.loss; });
  return found == record.rounds.rend() ? nullptr : &*found;
}

double membership_advantage(double epsilon, double delta) {
  return std::min(1.0, std::tanh(epsilon / 2) + 2 * delta / (std::exp(epsilon) + 1));
}

double true_positive_rate(double epsilon, double delta, double false_positive_rate) {
  const double direct = std::exp(epsilon) * false_positive_rate + delta;
  const double inverse = 1.0 - std::exp(-epsilon) * (1.0 - delta - false_positive_rate);
  return std::min({1.0, direct, inverse});
}

std::vector<ClientRecord> by_epsilon(std::vector<ClientRecord> clients) {
  std::stable_sort(clients.begin(), clients.end(), [](const auto& a, const auto& b) {
    return a.epsilon.value_or(-1.0) > b.epsilon.value_or(-1.0);
  });
  return clients;
}

std::vector<Section> sections(const RunRecord& record) {
  std::vector<Section> all;
  for (const auto& statement : record.privacy) {
    all.push_back(definition(record, statement));
    all.push_back(mechanism(record, statement));
    all.push_back(ledger(record, statement));
    if (holds(statement)) all.push_back(judged(statement));
  }
  all.push_back({"Not covered", {}, not_covered(record)});
  if (!record.weights.empty()) all.push_back(weights(record));
  if (!record.columns.empty()) all.push_back(columns(record));
  all.push_back(training(record));
  all.push_back(environment(record));
  return all;
}

}  // namespace starling::report
