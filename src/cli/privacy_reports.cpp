#include "cli/privacy_reports.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "cli/privacy_answer.h"
#include "cli/privacy_curve.h"
#include "cli/privacy_run.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/privacy/tradeoff.h"

namespace starling::cli {
namespace {

// One number of a federation, by the main accountant and by rdp.
struct Level {
  std::string unit;
  std::string words;  // whose epsilon it is
  Relation relation = Relation::zero_out;
  Answer<PrivacyBound> answer;
};

using Bound = std::function<std::optional<PrivacyBound>(const FederationPrivacy&)>;

By<PrivacyBound> part(const By<FederationPrivacy>& whole, const Bound& bound) {
  By<PrivacyBound> by{whole.accountant, std::nullopt, whole.refusal};
  if (whole.value) by.value = bound(*whole.value);
  return by;
}

Level level_of(const Answer<FederationPrivacy>& whole, const std::string& unit,
               const std::string& words, Relation relation, const Bound& bound) {
  return {unit, words, relation, {part(whole.main, bound), part(whole.rdp, bound), whole.note}};
}

std::string overlap_words(const Overlap& overlap) {
  const std::string examples = overlap.examples == 1
                                   ? "one example"
                                   : "up to " + std::to_string(overlap.examples) + " examples";
  return "example level, a person with " + examples + " at each of up to " +
         std::to_string(overlap.clients) + " clients";
}

std::vector<Level> levels_of(const PrivacyQuestion& question,
                             const Answer<FederationPrivacy>& whole) {
  std::vector<Level> levels;
  const FederationPrivacy& found = *whole.main.value;
  if (const auto& largest = found.example_largest) {
    const std::string clients = std::to_string(found.example_level.size());
    levels.push_back(
        level_of(whole, "example",
                 "example level, the largest of " + clients +
                     " clients with disjoint records: client " + std::to_string(largest->client),
                 largest->relation, [](const auto& all) { return all.example_largest->bound; }));
    if (found.example_overlap) {
      levels.push_back(level_of(whole, "example", overlap_words(question.overlap),
                                largest->relation,
                                [](const auto& all) { return all.example_overlap; }));
    }
  }
  if (const auto& server = found.client_level) {
    levels.push_back(level_of(whole, "client", "client level, at the server", server->relation,
                              [](const auto& all) { return all.client_level->bound; }));
  }
  return levels;
}

// Each level at its own delta.
std::vector<Level> levels_of(const PrivacyQuestion& question, const PrivacyLedger& ledger) {
  auto levels = levels_of(question, federation_of(question, ledger));
  if (!question.client_delta) return levels;
  PrivacyQuestion of_clients = question;
  of_clients.delta = *question.client_delta;
  for (const Level& level : levels_of(of_clients, federation_of(of_clients, ledger)))
    if (level.unit == "client") levels.back() = level;
  return levels;
}

Json level_json(const Level& level, const PrivacyLedger& ledger) {
  Json json = bound_json(*level.answer.main.value, level.answer.main.accountant);
  if (has_insecure_seed(ledger)) json["guarantee"] = "insecure_seed";
  json["unit"] = level.unit;
  json["scope"] = level.words;
  json["relation"] = starling::to_string(level.relation);
  json["rdp"] = rdp_json(level.answer.rdp);
  return json;
}

Json head_json(const LedgerHead& head) { return Json{{"lines", head.lines}, {"hash", head.hash}}; }

// The first level's answer stands at the top; every level is in "levels".
void print_json(const std::vector<Level>& levels, const PrivacyLedger& ledger) {
  Json json = level_json(levels[0], ledger);
  json["ledger"] = head_json(ledger.head());
  json["levels"] = Json::array();
  for (const Level& level : levels) json["levels"].push_back(level_json(level, ledger));
  std::cout << json.dump(2) << "\n";
}

std::string chain_words(const PrivacyQuestion& question, const LedgerHead& head) {
  return question.ledger + ": " + std::to_string(head.lines) + " lines, hash chain whole, head " +
         std::to_string(head.lines) + ":" + head.hash + "\n";
}

Composition first_releases(const Composition& composition, int64_t point, int64_t points) {
  Composition part = composition;
  for (Event& event : part.events) {
    const double share =
        static_cast<double>(event.count) * static_cast<double>(point) / static_cast<double>(points);
    event.count = point == points ? event.count : static_cast<int64_t>(std::round(share));
  }
  return part;
}

int64_t releases(const Composition& composition) {
  int64_t sum = 0;
  for (const Event& event : composition.events) sum += event.count;
  return sum;
}

CurvePoint curve_point(int64_t at, const By<PrivacyBound>& main, const By<PrivacyBound>& rdp) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  return {at, main.value->epsilon, rdp.value ? rdp.value->epsilon : none};
}

Curve curve_of_events(const PrivacyQuestion& question) {
  Curve curve;
  for (int64_t i = 0; i <= question.points; ++i) {
    const Composition part = first_releases(question.composition, i, question.points);
    const int64_t at = releases(part);
    if (!curve.points.empty() && curve.points.back().at == at) continue;
    const auto answer = answer_of<PrivacyBound>(question, [&](const Accountant& accountant) {
      return accountant.epsilon(part.events, part.relation, question.delta);
    });
    curve.accountant = answer.main.accountant;
    curve.points.push_back(curve_point(at, answer.main, answer.rdp));
  }
  return curve;
}

// The lines of the first `rounds` rounds, whatever their order in the file.
PrivacyLedger first_rounds(const PrivacyLedger& ledger, int64_t rounds) {
  std::vector<LedgerEntry> entries;
  for (const LedgerLine& line : ledger.lines()) {
    if (line.round < rounds) entries.push_back(line);
  }
  PrivacyLedger part;
  part.record(entries);
  return part;
}

int64_t rounds_of(const PrivacyLedger& ledger) {
  int64_t rounds = 0;
  for (const LedgerLine& line : ledger.lines()) rounds = std::max(rounds, line.round + 1);
  return rounds;
}

Curve curve_of_ledger(const PrivacyQuestion& question) {
  const PrivacyLedger ledger = PrivacyLedger::read(question.ledger, question.head);
  std::cerr << insecure_words(ledger);
  const int64_t rounds = rounds_of(ledger);
  const int64_t points = std::min(rounds, question.points);
  Curve curve;
  curve.axis = "rounds";
  for (int64_t i = 1; i <= points; ++i) {
    const int64_t at = rounds * i / points;
    const auto levels = levels_of(question, first_rounds(ledger, at));
    if (levels.empty()) continue;
    curve.accountant = levels[0].answer.main.accountant;
    curve.points.push_back(curve_point(at, levels[0].answer.main, levels[0].answer.rdp));
  }
  if (curve.points.empty()) throw InputError(question.ledger, "holds no release");
  return curve;
}

}  // namespace

Answer<FederationPrivacy> federation_of(const PrivacyQuestion& question,
                                        const PrivacyLedger& ledger) {
  return answer_of<FederationPrivacy>(question, [&](const Accountant& accountant) {
    return federation_privacy(ledger, accountant, question.delta, question.overlap);
  });
}

void report_ledger(const PrivacyQuestion& question) {
  const PrivacyLedger ledger = PrivacyLedger::read(question.ledger, question.head);
  const auto levels = levels_of(question, ledger);
  if (levels.empty()) throw InputError(question.ledger, "holds no release");
  if (question.json) return print_json(levels, ledger);
  std::cout << chain_words(question, ledger.head()) << insecure_words(ledger);
  for (const Level& level : levels) {
    const PrivacyBound& bound = *level.answer.main.value;
    const auto number = protected_beside(question.ledger, level.unit);
    std::cout << "\n"
              << level.words << "\n"
              << guarantee(bound, level.relation, level.unit)
              << complaint_about_delta(bound.delta, number, level.unit)
              << side_by_side(level.answer);
  }
  std::cout << notes(question, levels[0].answer.note);
}

void report_curve(const PrivacyQuestion& question) {
  Curve curve = question.ledger.empty() ? curve_of_events(question) : curve_of_ledger(question);
  curve.delta = question.delta;
  if (question.json) {
    Json json{{"delta", curve.delta}, {"accountant", curve.accountant}, {"points", Json::array()}};
    for (const CurvePoint& point : curve.points) {
      json["points"].push_back(Json{{curve.axis, point.at},
                                    {"epsilon", number_json(point.epsilon)},
                                    {"rdp", number_json(point.rdp_epsilon)}});
    }
    std::cout << json.dump(2) << "\n";
  }
  const bool svg = question.out.size() > 4 && question.out.ends_with(".svg");
  const std::string drawn = svg ? curve_svg(curve) : curve_csv(curve);
  if (!question.out.empty()) {
    write_file_atomically(question.out, drawn);
    if (!question.json) std::cout << "wrote " << question.out << "\n" << notes(question);
  } else if (!question.json) {
    std::cout << drawn;
  }
}

// What the central limit theorem says, for information.
std::optional<double> gdp_epsilon(const PrivacyQuestion& question) {
  try {
    const double mu = gdp_mu(question.composition.events, question.composition.relation);
    return gdp_epsilon_not_a_bound(mu, question.delta);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

void report_comparison(const PrivacyQuestion& question) {
  std::vector<By<PrivacyBound>> rows;
  for (const std::string name : {"exact", "rdp", "zcdp"}) {
    rows.push_back(ask<PrivacyBound>(name, [&](const Accountant& accountant) {
      return accountant.epsilon(question.composition.events, question.composition.relation,
                                question.delta);
    }));
  }
  const std::optional<double> gdp = gdp_epsilon(question);
  if (question.json) {
    Json json = Json::array();
    for (const auto& row : rows) {
      json.push_back(row.value ? bound_json(*row.value, row.accountant)
                               : Json{{"accountant", row.accountant}, {"refused", row.refusal}});
    }
    Json whole{{"relation", starling::to_string(question.composition.relation)},
               {"delta", question.delta},
               {"accountants", json}};
    if (gdp) whole["gdp"] = Json{{"epsilon", number_json(*gdp)}, {"label", "not a bound"}};
    std::cout << whole.dump(2) << "\n";
    return;
  }
  std::cout << "Upper bounds on epsilon at delta " << number_text(question.delta) << " under "
            << starling::to_string(question.composition.relation) << "; the smallest holds.\n";
  for (const auto& row : rows) std::cout << line_of(row);
  if (gdp) {
    std::cout << "  gdp     epsilon " << number_text(*gdp)
              << ", a central limit theorem: NOT a bound, for information only\n";
  }
  std::cout << notes(question);
}

}  // namespace starling::cli
