#include "cli/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ostream>

#include "starling/report/report.h"

namespace starling::cli {
namespace {

constexpr int kBarWidth = 24;

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string bar(int64_t done, int64_t all) {
  const auto filled = static_cast<int>(kBarWidth * done / std::max<int64_t>(all, 1));
  std::string text;
  for (int i = 0; i < kBarWidth; ++i) text += i < filled ? "█" : "░";
  return text;
}

// Upward, so that what is printed is never below what holds.
std::string epsilon_text(double epsilon) {
  return std::isinf(epsilon) ? "inf" : format("%.3f", std::ceil(epsilon * 1000) / 1000);
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 120) return format("%ld s", static_cast<long>(whole));
  return format("%ld min %02ld s", static_cast<long>(whole / 60), static_cast<long>(whole % 60));
}

std::string two_classes(const RoundRecord& round) {
  return (round.auc ? format("  AUC %.4f", *round.auc) : "") +
         (round.f1 ? format("  F1 %.4f", *round.f1) : "");
}

std::string facts(const RoundRecord& round) {
  std::string text;
  if (round.accuracy)
    text += format("  accuracy %6.2f %%", 100 * *round.accuracy) + two_classes(round) +
            format("  loss %.4f", *round.loss);
  else if (round.loss)
    text += format("  mean squared error %.6g", *round.loss);
  if (round.epsilon) text += "  epsilon " + epsilon_text(*round.epsilon);
  if (round.client_epsilon) text += "  for clients " + epsilon_text(*round.client_epsilon);
  if (round.attack_success) text += format("  attack %.1f %%", 100 * *round.attack_success);
  return text;
}

std::string counted(size_t number, const std::string& unit) {
  return std::to_string(number) + " " + unit + (number == 1 ? "" : "s");
}

// Under unit "both" the two seeds are the same.
bool repeats_noise(const RunRecord& record) {
  for (const char* place : {"/privacy/insecure_seed", "/privacy/example/insecure_seed"})
    if (const Json::json_pointer seed(place);
        record.experiment.contains(seed) && !record.experiment.at(seed).is_null())
      return true;
  return false;
}

std::string tested(const RoundRecord& last, const RunRecord& record) {
  if (!last.accuracy && !last.loss) return "";
  const std::string what =
      last.accuracy ? format("Test accuracy %.2f %%", 100 * *last.accuracy) + two_classes(last)
                    : format("Test mean squared error %.6g", *last.loss);
  return what + " after " + counted(record.rounds.size(), "round") + " in " +
         duration(record.seconds) + ".\n";
}

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) && (no_color == nullptr || *no_color == '\0');
}

}  // namespace

Progress::Progress(std::ostream& out, bool quiet)
    : out_(out), quiet_(quiet), live_(isatty(STDOUT_FILENO)), colour_(wants_colour()) {}

void Progress::start(const RunRecord& record, const std::string& folder) {
  if (quiet_) return;
  out_ << record.name << ": "
       << (record.train_examples ? std::to_string(*record.train_examples) : "a private number of")
       << " examples, model of " << record.parameters << " parameters, "
       << counted(static_cast<size_t>(record.rounds_planned), "round") << "\n"
       << "run folder " << folder << "\n"
       << (repeats_noise(record) ? "INSECURE SEED: NO DP GUARANTEE, whatever epsilon is\n" : "")
       << std::flush;
}

void Progress::round(const RoundProgress& progress) {
  if (quiet_) return;
  const auto& round = progress.round;
  const std::string counter = format("round %ld/%ld", static_cast<long>(round.round),
                                     static_cast<long>(progress.rounds_planned));
  if (!live_) {
    out_ << counter << facts(round) << "\n" << std::flush;
    return;
  }
  const std::string left =
      round.round < progress.rounds_planned ? "  " + duration(progress.seconds_left) + " left" : "";
  const std::string shown = bar(round.round, progress.rounds_planned);
  out_ << "\r\033[K" << (colour_ ? "\033[36m" + shown + "\033[0m" : shown) << " " << counter
       << facts(round) << left << (left.empty() ? "\n" : "") << std::flush;
}

void Progress::finish(const RunResult& result) {
  if (quiet_) return;
  const auto& record = result.record;
  out_ << "\n";
  if (!record.rounds.empty()) out_ << tested(record.rounds.back(), record);
  for (const auto& weight : record.weights)
    out_ << format("  %-12s %9.4f learned, %g true\n", weight.name.c_str(), weight.learned,
                   weight.truth);
  if (record.status != "complete") out_ << "The run " << record.status << ".\n";
  out_ << privacy_claim(record) << "\n"
       << "Report: " << result.folder << "/report.html\n";
}

}  // namespace starling::cli
