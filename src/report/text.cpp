#include <sstream>

#include "report/format.h"
#include "report/sections.h"
#include "starling/report/report.h"

namespace starling {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kLabel = 26;
constexpr size_t kClientsShown = 5;

// `text` in lines of kWidth, the first one behind `head`, the others indented as far.
std::string wrapped(const std::string& head, const std::string& text) {
  const std::string indent(head.size(), ' ');
  std::string result, line = head;
  bool empty = true;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!empty && line.size() + 1 + word.size() > kWidth) {
      result += line + "\n";
      line = indent;
      empty = true;
    }
    line += (empty ? "" : " ") + word;
    empty = false;
  }
  return result + line + "\n";
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

std::string heading(const std::string& title) {
  return "\n" + title + "\n" + std::string(title.size(), '-') + "\n";
}

std::string section_text(const report::Section& section) {
  std::string text = heading(section.title);
  for (const auto& [label, value] : section.facts) text += wrapped(padded(label, kLabel), value);
  for (const auto& note : section.notes) text += wrapped("- ", note);
  return text;
}

std::string results(const RunRecord& record) {
  const auto* last = report::last_evaluated(record);
  if (last == nullptr) return "";
  std::string text = heading("Result");
  const std::string when = " after round " + report::grouped(last->round);
  if (last->accuracy)
    text += wrapped(padded("Test accuracy", kLabel), report::percent(*last->accuracy) + when);
  if (last->auc) text += wrapped(padded("Test AUC", kLabel), report::rounded(*last->auc, 4));
  if (last->f1) text += wrapped(padded("Test F1", kLabel), report::rounded(*last->f1, 4));
  if (last->loss)
    text += wrapped(padded(report::loss_title(record), kLabel),
                    report::rounded(*last->loss, 4) + (last->accuracy ? "" : when));
  return text;
}

std::string clients(const RunRecord& record) {
  if (record.privacy.empty() || record.clients.empty()) return "";
  std::string text = heading("Clients with the largest epsilon");
  text += padded("client", 10) + padded("examples", 12) + padded("rounds", 10) +
          padded("steps", 10) + padded("noise", 12) + "epsilon\n";
  auto sorted = report::by_epsilon(record.clients);
  if (sorted.size() > kClientsShown) sorted.resize(kClientsShown);
  for (const auto& c : sorted) {
    text += padded(std::to_string(c.client), 10) +
            padded(c.examples ? report::grouped(*c.examples) : "private", 12) +
            padded(report::grouped(c.rounds), 10) + padded(report::grouped(c.steps), 10) +
            padded(c.noise_multiplier ? report::rounded(*c.noise_multiplier, 4) : "-", 12) +
            (c.epsilon ? report::rounded_up(*c.epsilon, 4) : "-") + "\n";
  }
  if (record.clients.size() > kClientsShown)
    text += "and " +
            report::plural(static_cast<int64_t>(record.clients.size() - kClientsShown), "client") +
            " more\n";
  return text;
}

}  // namespace

std::string report_text(const RunRecord& record) {
  std::string text = wrapped("", privacy_claim(record));
  text += "\n";
  text += wrapped("", record.name + ", run " + record.id + ", " + record.started);
  if (!record.description.empty()) text += wrapped("", record.description);
  text += results(record);
  text += clients(record);
  for (const auto& section : report::sections(record)) text += section_text(section);
  return text;
}

}  // namespace starling
