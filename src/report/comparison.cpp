#include "starling/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "report/format.h"
#include "report/sections.h"

namespace starling {
namespace {

constexpr size_t kWidestCell = 28;
constexpr size_t kMostSettings = 20;

using Rows = std::vector<std::vector<std::string>>;

// Columns as wide as their widest cell.
std::string aligned(const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    text += line + "\n";
  }
  return text;
}

std::string privacy_words(const RunRecord& record) {
  if (record.privacy.empty()) return "NO DP GUARANTEE";
  std::string text;
  for (const auto& p : record.privacy) {
    if (!text.empty()) text += ", ";
    if (p.guarantee == Guarantee::insecure_seed) return "INSECURE SEED: NO DP GUARANTEE";
    if (!report::holds(p)) return "NO DP GUARANTEE";
    text += report::rounded_up(p.epsilon, 2) + " at delta " + report::number(p.delta) + " for " +
            (p.unit == "client" ? "clients" : "examples");
    if (!report::is_delta_small(p)) text += " (DELTA IS TOO LARGE)";
  }
  return text;
}

std::string result_words(const RunRecord& record) {
  const auto* last = report::last_evaluated(record);
  if (last == nullptr) return "-";
  return last->accuracy ? report::percent(*last->accuracy) : report::rounded(*last->loss, 4);
}

std::vector<std::string> row_of(const NamedRun& run) {
  const RunRecord& record = run.record;
  const auto* last = report::last_evaluated(record);
  return {run.label,
          std::to_string(record.rounds.size()) + "/" + std::to_string(record.rounds_planned),
          result_words(record),
          last != nullptr && last->loss ? report::rounded(*last->loss, 4) : "-",
          privacy_words(record),
          record.bytes_up ? report::rounded(static_cast<double>(*record.bytes_up) / 1e6, 3) : "-",
          report::duration(record.seconds)};
}

// What a run was told to do, without the words about it and where it was written to.
Json settings_of(const RunRecord& record) {
  Json settings = record.experiment;
  for (const char* key : {"name", "description", "output"}) settings.erase(key);
  return settings.flatten();
}

std::string cell(const Json& settings, const std::string& pointer) {
  if (!settings.contains(pointer)) return "-";
  const Json& value = settings[pointer];
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.size() > kWidestCell) text = text.substr(0, kWidestCell - 3) + "...";
  return text;
}

std::string differences(const std::vector<NamedRun>& runs) {
  std::vector<Json> settings;
  std::vector<std::string> pointers;  // in the order of the files
  std::set<std::string> seen;
  for (const auto& run : runs) {
    settings.push_back(settings_of(run.record));
    for (const auto& item : settings.back().items())
      if (seen.insert(item.key()).second) pointers.push_back(item.key());
  }
  Rows rows = {{"setting"}};
  for (const auto& run : runs) rows[0].push_back(run.label);
  size_t left_out = 0;
  for (const auto& pointer : pointers) {
    std::vector<std::string> row = {pointer};
    for (const auto& of_run : settings) row.push_back(cell(of_run, pointer));
    if (std::all_of(row.begin() + 1, row.end(), [&](const auto& text) { return text == row[1]; }))
      continue;
    rows.size() <= kMostSettings ? rows.push_back(row) : void(++left_out);
  }
  if (rows.size() == 1) return "\nThe experiments are the same.\n";
  return "\n" + aligned(rows) +
         (left_out == 0 ? "" : "and " + std::to_string(left_out) + " settings more\n");
}

// "accuracy 93.90 ± 0.20 %": over at least two.
std::string spread_words(const std::vector<double>& values, bool are_accuracies) {
  double mean = 0.0, squares = 0.0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return are_accuracies ? "test accuracy " + report::rounded(100 * mean, 2) + " \u00B1 " +
                              report::rounded(100 * deviation, 2) + " %"
                        : "test mean squared error " + report::significant(mean) + " \u00B1 " +
                              report::significant(deviation);
}

// Of runs that differ in nothing but their seed.
std::string spreads(const std::vector<NamedRun>& runs) {
  std::map<std::string, std::vector<const NamedRun*>> groups;
  for (const auto& run : runs) {
    Json settings = settings_of(run.record);
    for (const char* seed : {"/seed", "/privacy/insecure_seed"}) settings.erase(seed);
    if (report::last_evaluated(run.record) != nullptr) groups[settings.dump()].push_back(&run);
  }
  std::string text;
  for (const auto& [settings, group] : groups) {
    if (group.size() < 2) continue;
    const bool are_accuracies = report::last_evaluated(group[0]->record)->accuracy.has_value();
    std::vector<double> values;
    std::string labels;
    for (const auto* run : group) {
      const auto* last = report::last_evaluated(run->record);
      values.push_back(are_accuracies ? *last->accuracy : *last->loss);
      labels += (labels.empty() ? "" : ", ") + run->label;
    }
    text += "\n" + labels + ": " + spread_words(values, are_accuracies) +
            ", mean and standard deviation of " + std::to_string(group.size()) + " runs\n";
  }
  return text;
}

// Epsilons and deltas add up, whatever was chosen by the results of earlier runs.
std::string together(const std::vector<NamedRun>& runs) {
  const std::string opening = "\nWhere the runs saw the same data, all of them together";
  double epsilon = 0.0, delta = 0.0;
  for (const auto& run : runs) {
    const auto& statements = run.record.privacy;
    const auto& first = runs[0].record.privacy;
    if (statements.empty() || !std::ranges::all_of(statements, report::holds))
      return opening + " give NO DP GUARANTEE.\n";
    if (statements.size() != 1 || statements[0].unit != first[0].unit ||
        statements[0].relation != first[0].relation)
      return opening + " spent what is not added up here: they protect different things.\n";
    epsilon += statements[0].epsilon;
    delta += statements[0].delta;
  }
  if (!(delta < 1.0)) return opening + " give NO DP GUARANTEE.\n";
  return opening + " spent at most epsilon " + report::rounded_up(epsilon, 2) + " at delta " +
         report::number(delta) +
         ", the sum.\nTo choose one of them by its result is a search, and spends that sum too.\n";
}

}  // namespace

std::string comparison_text(const std::vector<NamedRun>& runs) {
  if (runs.empty()) return "";
  Rows rows = {{"run", "rounds", "accuracy", "loss", "epsilon", "MB up", "time"}};
  for (const auto& run : runs) rows.push_back(row_of(run));
  return aligned(rows) + differences(runs) + spreads(runs) + together(runs);
}

}  // namespace starling
