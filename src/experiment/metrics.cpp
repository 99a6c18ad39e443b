#include "experiment/metrics.h"

#include <algorithm>

namespace starling::experiment {
namespace {

constexpr auto kOpen = Exposure::open;
constexpr auto kPaid = Exposure::paid;
constexpr auto kSecret = Exposure::secret;

}  // namespace

bool Table::holds_secrets() const {
  return std::ranges::any_of(
      columns, [](const Column& column) { return column.exposure == Exposure::secret; });
}

std::string Table::header() const {
  std::string line;
  for (const auto& column : columns) {
    if (!line.empty()) line += ',';
    line += column.name;
  }
  return line;
}

std::string Table::name(bool is_private_run) const {
  return is_private_run && holds_secrets() ? private_file : file;
}

unsigned Table::mode(bool is_private_run) const {
  return is_private_run && holds_secrets() ? 0600 : 0644;
}

const Table& rounds_table() {
  static const Table table{"rounds.csv",
                           nullptr,
                           {{"round", kOpen},
                            {"clients", kOpen},
                            {"learning_rate", kOpen},
                            {"test_accuracy", kPaid},
                            {"test_loss", kPaid},
                            {"epsilon", kOpen},
                            {"client_epsilon", kOpen},
                            {"attack_success", kPaid},
                            {"test_auc", kPaid},
                            {"test_f1", kPaid}}};
  return table;
}

const Table& timings_table() {
  static const Table table{"timings.csv", nullptr, {{"round", kOpen}, {"seconds", kOpen}}};
  return table;
}

const Table& communication_table() {
  static const Table table{"communication.csv",
                           nullptr,
                           {{"round", kOpen},
                            {"trained", kOpen},
                            {"counted", kPaid},
                            {"rejected", kPaid},
                            {"bytes_down", kOpen},
                            {"bytes_up", kPaid},
                            {"simulated_time", kOpen}}};
  return table;
}

const Table& training_table() {
  static const Table table{"training.csv",
                           "private.csv",
                           {{"round", kOpen},
                            {"steps", kOpen},
                            {"examples", kSecret},
                            {"train_loss", kSecret},
                            {"clipped", kSecret},
                            {"non_finite", kSecret}}};
  return table;
}

const Table& clients_table() {
  static const Table table{"clients.csv",
                           "private_clients.csv",
                           {{"round", kOpen},
                            {"client", kOpen},
                            {"examples", kSecret},
                            {"accuracy", kSecret},
                            {"loss", kSecret}}};
  return table;
}

std::vector<const Table*> all_tables() {
  return {&rounds_table(), &timings_table(), &communication_table(), &training_table(),
          &clients_table()};
}

}  // namespace starling::experiment
