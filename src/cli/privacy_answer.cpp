#include "cli/privacy_answer.h"

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"

namespace starling::cli {
namespace {

constexpr double kMostWritten = 1e6;  // beyond it e^epsilon is not written out

std::string rounded(double value, int digits, bool up) {
  if (value == 0.0 || !std::isfinite(value)) return number_text(value);
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  const double near = std::strtod(text, nullptr);
  if (up ? near >= value : near <= value) return text;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - digits + 1);
  std::snprintf(text, sizeof text, "%.*g", digits, near + (up ? unit : -unit));
  return text;
}

std::string neighbours(Relation relation, const std::string& record) {
  switch (relation) {
    case Relation::zero_out:
      return "replacing one " + record + " by one that contributes nothing";
    case Relation::add_remove:
      return "adding or removing one " + record;
    case Relation::replace_one:
      return "replacing one " + record + " by any other";
  }
  throw Error("unknown relation");
}

std::string error_words(const PrivacyBound& bound) {
  std::string words = bound.detail;
  // 0 where epsilon was given and delta is the answer.
  if (std::isfinite(bound.error) && bound.error > 0.0) {
    words += (words.empty() ? "" : "; ") + std::string("at most ") + rounded_up(bound.error, 2) +
             " above the exact value";
  }
  return words.empty() ? "" : "  (" + words + ")";
}

}  // namespace

std::string rounded_up(double value, int digits) { return rounded(value, digits, true); }
std::string rounded_down(double value, int digits) { return rounded(value, digits, false); }

Json bound_json(const PrivacyBound& bound, const std::string& accountant) {
  Json json = Json::object();
  json["epsilon"] = number_json(bound.epsilon);
  json["delta"] = number_json(bound.delta);
  json["accountant"] = accountant;
  json["error"] = number_json(bound.error);
  json["label"] = std::isfinite(bound.error) ? "exact" : "bound";
  json["guarantee"] = holds(bound) ? "dp" : "none";
  json["detail"] = bound.detail;
  return json;
}

Json rdp_json(const By<PrivacyBound>& rdp) {
  if (rdp.value) return bound_json(*rdp.value, rdp.accountant);
  return Json{{"refused", rdp.refusal}};
}

bool holds(const PrivacyBound& bound) { return bound.epsilon < kInfinity && bound.delta < 1.0; }

std::string guarantee(const PrivacyBound& bound, Relation relation, const std::string& record) {
  const std::string change = neighbours(relation, record);
  if (!(bound.delta < 1.0))
    return "NO DP GUARANTEE: delta 1 allows that every " + record + " is published.\n";
  if (!(bound.epsilon < kInfinity)) {
    return "NO DP GUARANTEE at delta " + rounded_up(bound.delta) + ": epsilon is infinite, " +
           change + " may change the outcome without limit.\n";
  }
  const std::string epsilon = rounded_up(bound.epsilon);
  const double factor = std::exp(bound.epsilon);
  std::string text = "(" + epsilon + ", " + rounded_up(bound.delta) +
                     ")-differential privacy: " + change +
                     " changes the probability of any outcome by a factor of at most e^" + epsilon;
  if (factor < kMostWritten) text += " = " + rounded_up(factor, factor < 100.0 ? 3 : 7);
  return text + ", apart from a probability of " + rounded_up(bound.delta) + ".\n";
}

std::string complaint_about_delta(double delta, std::optional<int64_t> number,
                                  const std::string& record) {
  if (!number || delta * static_cast<double>(*number) < 1.0) return "";
  return "DELTA IS TOO LARGE: " + rounded_up(delta) + " is not below 1 / n for " +
         std::to_string(*number) + " " + record + "s, and so allows that single " + record +
         "s are published.\n";
}

std::string line_of(const By<PrivacyBound>& by) {
  std::string name = by.accountant;
  name.resize(std::max<size_t>(name.size(), 6), ' ');
  if (!by.value) return "  " + name + "  no answer: " + by.refusal + "\n";
  return "  " + name + "  epsilon " + rounded_up(by.value->epsilon, 7) + " at delta " +
         rounded_up(by.value->delta) + error_words(*by.value) + "\n";
}

std::string side_by_side(const Answer<PrivacyBound>& answer) {
  std::string text = line_of(answer.main);
  if (answer.main.accountant != "rdp") text += line_of(answer.rdp);
  return text;
}

std::string notes(const PrivacyQuestion& question, const std::string& more) {
  std::string text;
  for (const std::string& note : question.notes) text += "  note   " + note + "\n";
  if (!more.empty()) text += "  note   " + more + "\n";
  return text;
}

}  // namespace starling::cli
