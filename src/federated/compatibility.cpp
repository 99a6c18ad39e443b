#include "starling/federated/compatibility.h"

#include <algorithm>
#include <array>

namespace starling {
namespace {

using enum Treatment;

// One level of one strategy; the adversary and the sampling only ever take away from it.
struct Cell {
  Treatment treatment;
  const char* reason;
};
struct Row {
  const char* strategy;
  Cell example;
  Cell client_fraction;
  Cell client_poisson;
};

constexpr Cell kYes{allowed, ""};
constexpr const char* kOwnMetrics =
    "metrics of personal models are private and stay in the private log";
constexpr const char* kPrivateLosses =
    "clients upload powers of their losses, which nothing noises and no clip bounds";
constexpr const char* kOwnSteps =
    "the number of local steps, which is uploaded, depends on how many examples a client has";
constexpr const char* kBuffer =
    "a buffer of uploads is no cohort whose size and sampling could be accounted for";
constexpr const char* kControls =
    "the update and the change of the control variate are one vector with one clip";
constexpr const char* kDistilledSteps =
    "what models of noised steps answer on the public set, and what is learnt from it, is "
    "post-processing";
constexpr const char* kWholeModels =
    "the server computes answers from every client's model, which no clip bounds; \"dsfl\" and "
    "\"fedmd\" release answers that are clipped and noised";
constexpr const char* kAnswers =
    "a client's answers on the public set are one vector with one clip, summed and noised once";

constexpr Row kTable[] = {
    {"fedavg", kYes, kYes, kYes},
    {"fedavgm", kYes, kYes, kYes},
    {"fedprox", kYes, kYes, kYes},
    {"scaffold", kYes, {joint_clip, kControls}, {joint_clip, kControls}},
    {"fednova", kYes, {refused, kOwnSteps}, {refused, kOwnSteps}},
    {"fedadagrad", kYes, kYes, kYes},
    {"fedadam", kYes, kYes, kYes},
    {"fedyogi", kYes, kYes, kYes},
    {"feddyn", kYes, kYes, kYes},
    {"qfedavg", {refused, kPrivateLosses}, {refused, kPrivateLosses}, {refused, kPrivateLosses}},
    {"fedbn", {allowed, kOwnMetrics}, {allowed, kOwnMetrics}, {allowed, kOwnMetrics}},
    {"fedper", {allowed, kOwnMetrics}, {allowed, kOwnMetrics}, {allowed, kOwnMetrics}},
    {"ditto", {allowed, kOwnMetrics}, {allowed, kOwnMetrics}, {allowed, kOwnMetrics}},
    {"fedsgd", kYes, kYes, kYes},
    {"fedbuff", kYes, {refused, kBuffer}, {refused, kBuffer}},
    {"feddf", {allowed, kDistilledSteps}, {refused, kWholeModels}, {refused, kWholeModels}},
    {"dsfl", {allowed, kDistilledSteps}, {joint_clip, kAnswers}, {joint_clip, kAnswers}},
    {"fedmd", {allowed, kDistilledSteps}, {joint_clip, kAnswers}, {joint_clip, kAnswers}},
};

const Row* row_of(std::string_view strategy) {
  const auto row = std::ranges::find_if(
      kTable, [&](const Row& candidate) { return candidate.strategy == strategy; });
  return row == std::end(kTable) ? nullptr : row;
}

Verdict verdict(const Cell& cell) { return {cell.treatment, cell.reason}; }

// A trusted server is what client-level noise at the server means.
Verdict at_client_level(const Row& row, CohortSampling sampling, Adversary adversary) {
  const Verdict result =
      verdict(sampling == CohortSampling::poisson ? row.client_poisson : row.client_fraction);
  if (result.refused()) return result;
  if (adversary == Adversary::every_global_model || adversary == Adversary::final_model)
    return result;
  return {refused,
          "the server sees each upload before it adds the noise; noise in shares waits for secure "
          "aggregation"};
}

// The stricter of the two.
Verdict both(const Verdict& example, const Verdict& client) {
  return example.treatment >= client.treatment ? example : client;
}

std::string cell_text(const Cell& cell) { return to_string(cell.treatment); }

}  // namespace

Verdict compatible(std::string_view strategy, ProtectedUnit unit, CohortSampling sampling,
                   Adversary adversary) {
  const Row* row = row_of(strategy);
  if (row == nullptr) return {refused, "the strategy is not in the compatibility table"};
  switch (unit) {
    case ProtectedUnit::none:
      return {allowed, ""};
    case ProtectedUnit::example:
      return verdict(row->example);
    case ProtectedUnit::client:
      return at_client_level(*row, sampling, adversary);
    case ProtectedUnit::both:
      return both(verdict(row->example), at_client_level(*row, sampling, adversary));
  }
  return {refused, "the unit is not in the compatibility table"};
}

std::string compatibility_table() {
  std::string text =
      "| strategy | example level | client level, fixed cohorts | client level, Poisson cohorts |\n"
      "|---|---|---|---|\n";
  for (const Row& row : kTable)
    text += "| `" + std::string(row.strategy) + "` | " + cell_text(row.example) + " | " +
            cell_text(row.client_fraction) + " | " + cell_text(row.client_poisson) + " |\n";
  return text;
}

const std::vector<std::string>& strategy_words() {
  static const std::vector<std::string> kWords = [] {
    std::vector<std::string> words;
    for (const Row& row : kTable) words.push_back(row.strategy);
    return words;
  }();
  return kWords;
}

std::string to_string(ProtectedUnit unit) {
  switch (unit) {
    case ProtectedUnit::none:
      return "none";
    case ProtectedUnit::example:
      return "example";
    case ProtectedUnit::client:
      return "client";
    case ProtectedUnit::both:
      return "both";
  }
  return "";
}

std::string to_string(CohortSampling sampling) {
  return sampling == CohortSampling::poisson ? "poisson" : "fraction";
}

std::string to_string(Treatment treatment) {
  switch (treatment) {
    case allowed:
      return "allowed";
    case joint_clip:
      return "allowed with one joint clip";
    case refused:
      return "refused";
  }
  return "";
}

}  // namespace starling
