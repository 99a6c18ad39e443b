#pragma once
// What the page and the text both say, once: titled lists of facts.

#include <string>
#include <utility>
#include <vector>

#include "starling/report/record.h"

namespace starling::report {

struct Section {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // label and value
  std::vector<std::string> notes;
};

// Definition, mechanism and accounting, ledger, values judged, what is not covered, environment.
std::vector<Section> sections(const RunRecord& record);

// Beyond it an epsilon is weak, by the tiers of Ponomareva et al. 2023.
inline constexpr double kLargestReasonableEpsilon = 10.0;

// Empty up to there; without a full stop.
std::string complaint_about_epsilon(double epsilon);

// A proven (epsilon, delta) stands behind the statement.
bool holds(const PrivacyStatement& statement);
// False where delta is known to be 1 / n or more for some client's n examples.
bool is_delta_small(const PrivacyStatement& statement);
std::string claim(const PrivacyStatement& statement);
// The adversary in words: "anyone who sees ...".
std::string who_sees(const PrivacyStatement& statement);

// "Test loss", or what it is where the experiment says so.
std::string loss_title(const RunRecord& record);
// The last round that was evaluated, or null.
const RoundRecord* last_evaluated(const RunRecord& record);

// Over all attackers: (true positive rate - false positive rate) of telling whether an example was
// used, at most (e^epsilon - 1 + 2 delta) / (e^epsilon + 1).
double membership_advantage(double epsilon, double delta);
// The largest true positive rate at that false positive rate (Kairouz et al. 2015).
double true_positive_rate(double epsilon, double delta, double false_positive_rate);

// Clients by epsilon, largest first; without one they come last.
std::vector<ClientRecord> by_epsilon(std::vector<ClientRecord> clients);

}  // namespace starling::report
