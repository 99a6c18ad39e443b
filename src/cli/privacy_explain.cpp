#include "cli/privacy_explain.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <map>
#include <set>

#include "cli/privacy_answer.h"
#include "cli/privacy_reports.h"
#include "cli/privacy_run.h"
#include "starling/core/error.h"

namespace starling::cli {
namespace {

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string words() const {
    return low == high ? number_text(low) : number_text(low) + " to " + number_text(high);
  }
};

std::string whole_range(int64_t low, int64_t high) {
  return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

// Gaussians, Poisson-sampled or not, that share a line.
struct GaussianGroup {
  std::vector<Event> events;
  Range rate, noise;
  int64_t releases = 0;

  void add(const Event& event) {
    const auto* poisson = std::get_if<PoissonSampling>(&event.sampling);
    rate.add(poisson ? poisson->rate : 1.0);
    noise.add(std::get<GaussianMechanism>(event.mechanism).noise_multiplier);
    releases += event.count;
    events.push_back(event);
  }
  std::string words() const {
    if (events.size() == 1) return describe(events[0]);
    const bool sampled = std::holds_alternative<PoissonSampling>(events[0].sampling);
    return std::to_string(events.size()) + " kinds of Gaussian noise (noise multiplier " +
           noise.words() + ")" +
           (sampled ? " on Poisson samples (rate " + rate.words() + ")" : "") + ", " +
           std::to_string(releases) + " times in all";
  }
};

bool shares_a_line(const Event& event) {
  return std::holds_alternative<GaussianMechanism>(event.mechanism) &&
         !std::holds_alternative<WithoutReplacement>(event.sampling);
}

// Of a ledger, the releases of the client that spent most.
Composition composition_of(const PrivacyQuestion& question, const PrivacyLedger& ledger) {
  if (question.ledger.empty()) return question.composition;
  const auto whole = federation_of(question, ledger);
  const FederationPrivacy& found = *whole.main.value;
  if (found.example_largest) {
    return ledger.events_of(Unit::example, found.example_largest->client);
  }
  if (found.client_level) return ledger.events_of(Unit::client, found.client_level->client);
  throw InputError(question.ledger, "holds no release");
}

// Delta at a given epsilon where that is asked about, otherwise epsilon at a delta.
PrivacyBound bound_by(const Accountant& accountant, const PrivacyQuestion& question,
                      const Composition& composition) {
  if (question.at_epsilon) {
    return accountant.delta(composition.events, composition.relation, question.epsilon);
  }
  return accountant.epsilon(composition.events, composition.relation, question.delta);
}

double found_of(const TradeOffPoint& point) { return 1.0 - point.type_two; }

std::string percent(double share) { return rounded_up(100.0 * share, 3) + " %"; }

std::string attack_words(double advantage, double found) {
  return "No attack that decides whether a record took part is right more often than " +
         percent(std::min(1.0, 0.5 + advantage / 2.0)) +
         " of the time against even odds;\nat a false-positive rate of 1 % it finds at most " +
         percent(found) + " of those that did.\n";
}

Json trade_off_json(const std::vector<TradeOffPoint>& curve) {
  Json rows = Json::array();
  for (const TradeOffPoint& point : curve) {
    rows.push_back(Json{{"type_one", point.type_one}, {"type_two", point.type_two}});
  }
  return rows;
}

}  // namespace

std::string releases_in_words(const std::vector<Event>& events) {
  GaussianGroup groups[2];
  std::string others;
  for (const Event& event : events) {
    if (shares_a_line(event)) {
      groups[std::holds_alternative<PoissonSampling>(event.sampling)].add(event);
    } else {
      others += "  " + describe(event) + "\n";
    }
  }
  std::string text;
  for (const GaussianGroup& group : groups) {
    if (!group.events.empty()) text += "  " + group.words() + "\n";
  }
  return text + others;
}

std::string ledger_in_words(const PrivacyLedger& ledger) {
  struct Part {
    int64_t lines = 0, first = 0, last = 0;
    std::set<int64_t> clients;
    std::vector<Event> events;
  };
  std::map<std::pair<Unit, Relation>, Part> parts;
  for (const LedgerLine& line : ledger.lines()) {
    Part& part = parts[{line.unit, line.relation}];
    part.first = part.lines == 0 ? line.round : std::min(part.first, line.round);
    part.last = std::max(part.last, line.round);
    part.clients.insert(line.client);
    part.events.push_back(line.event);
    part.events.back().count *= line.count;
    ++part.lines;
  }
  std::string text;
  for (const auto& [key, part] : parts) {
    const std::string who =
        key.first == Unit::client ? "the server" : std::to_string(part.clients.size()) + " clients";
    text += std::to_string(part.lines) + " ledger lines at " + starling::to_string(key.first) +
            " level under " + starling::to_string(key.second) + ": " + who + ", rounds " +
            whole_range(part.first, part.last) + "\n" + releases_in_words(merge_equal(part.events));
  }
  return text;
}

const std::vector<double>& explained_rates() {
  static const std::vector<double> rates{0.001, 0.01, 0.05, 0.1, 0.25, 0.5};
  return rates;
}

std::string trade_off_table(const std::vector<TradeOffPoint>& curve) {
  std::string text =
      "Any test for one record's part, by its type I errors (false alarms):\n"
      "  false alarms   type II errors (misses), at least   records found, at most\n";
  for (const TradeOffPoint& point : curve) {
    char row[100];
    std::snprintf(row, sizeof row, "  %-12s   %-33s   %s\n",
                  (number_text(100.0 * point.type_one) + " %").c_str(),
                  (rounded_down(100.0 * point.type_two, 3) + " %").c_str(),
                  percent(found_of(point)).c_str());
    text += row;
  }
  return text;
}

void report_explanation(const PrivacyQuestion& question) {
  const auto ledger = question.ledger.empty() ? PrivacyLedger()
                                              : PrivacyLedger::read(question.ledger, question.head);
  const Composition composition = composition_of(question, ledger);
  const auto answer = answer_of<PrivacyBound>(question, [&](const Accountant& accountant) {
    return bound_by(accountant, question, composition);
  });
  const PrivacyBound& bound = *answer.main.value;
  const auto accountant = make_accountant(answer.main.accountant);
  const auto curve =
      trade_off_curve(*accountant, composition.events, composition.relation, explained_rates());
  const double advantage =
      std::min(1.0, accountant->delta(composition.events, composition.relation, 0.0).delta);
  const double found = found_of(curve[1]);
  if (question.json) {
    Json json = bound_json(bound, answer.main.accountant);
    if (has_insecure_seed(ledger)) json["guarantee"] = "insecure_seed";
    json["relation"] = starling::to_string(composition.relation);
    json["rdp"] = rdp_json(answer.rdp);
    json["membership"] = Json{{"advantage", advantage}, {"true_positive_at_1_percent", found}};
    json["trade_off"] = trade_off_json(curve);
    json["events"] = to_json(composition)["events"];
    std::cout << json.dump(2) << "\n";
    return;
  }
  std::cout << "Releases:\n"
            << releases_in_words(composition.events) << "\n"
            << insecure_words(ledger) << guarantee(bound, composition.relation, "record")
            << complaint_about_delta(bound.delta, question.examples, "record")
            << side_by_side(answer) << "\n"
            << attack_words(advantage, found) << "\n"
            << trade_off_table(curve) << "\n"
            << "The guarantee covers these releases only: anything else computed from the data, "
               "choices of\nhyper-parameters included, spends more. It holds against an attacker "
               "who knows every other record.\n"
            << notes(question, answer.note);
  if (!question.ledger.empty()) std::cout << "\n" << ledger_in_words(ledger);
}

}  // namespace starling::cli
