#include "experiment/run_folder.h"

#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>

#include "core/folders.h"
#include "experiment/run_key.h"
#include "starling/core/error.h"
#include "starling/report/report.h"

namespace starling::experiment {
namespace {

namespace fs = std::filesystem;

// Under both of their names.
std::vector<std::string> table_files() {
  std::vector<std::string> files;
  for (const Table* table : all_tables()) {
    files.emplace_back(table->file);
    if (table->private_file != nullptr) files.emplace_back(table->private_file);
  }
  return files;
}

std::string time_text(const char* format) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), format, &utc);
  return text.data();
}

std::string new_folder(const std::string& parent, const std::string& name) {
  const std::string base = parent + "/" + name + "-" + time_text("%Y%m%d-%H%M%S");
  std::string folder = base;
  for (int i = 2; fs::exists(folder); ++i) folder = base + "-" + std::to_string(i);
  return folder;
}

// Shortest text that reads back as the same number.
std::string cell(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}
std::string cell(const std::optional<double>& value) { return value ? cell(*value) : ""; }
std::string cell(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "";
}

}  // namespace

std::string utc_now() { return time_text("%Y-%m-%dT%H:%M:%SZ"); }

RunFolder::RunFolder(const std::string& folder)
    : folder_(folder), lock_(std::make_unique<FolderLock>(folder)) {}

RunFolder RunFolder::make(const std::string& out, const std::string& parent,
                          const std::string& name) {
  const std::string folder = out.empty() ? new_folder(parent, name) : out;
  if (fs::exists(folder) && !fs::is_directory(folder))
    throw InputError("--out " + folder, "is a file; name a new folder");
  create_folders(folder);
  RunFolder result(folder);
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename() != FolderLock::kName)
      throw InputError("--out " + folder,
                       "holds files already; name a new folder, or go on with a run that was "
                       "interrupted by --resume " +
                           folder);
  return result;
}

RunFolder RunFolder::reopen(const std::string& folder) {
  if (!fs::is_regular_file(folder + "/experiment.json"))
    throw InputError("--resume " + folder, "is not a run folder: it holds no experiment.json");
  if (fs::exists(folder + "/run.json")) {
    const RunRecord record = read_record(folder);
    if (!record.status.starts_with("stopped by ")) {
      RunKey::forget(record.id);
      throw InputError("--resume " + folder, "is complete; nothing is left to do");
    }
  }
  return RunFolder(folder);
}

std::map<std::string, int64_t> RunFolder::table_sizes() const {
  std::map<std::string, int64_t> sizes;
  for (const auto& name : table_files())
    if (fs::exists(path(name))) sizes[name] = static_cast<int64_t>(fs::file_size(path(name)));
  return sizes;
}

void RunFolder::cut_tables(const std::map<std::string, int64_t>& sizes) const {
  for (const auto& name : table_files()) {
    const auto kept = sizes.find(name);
    if (kept == sizes.end()) {
      fs::remove(path(name));
      continue;
    }
    const auto size = fs::exists(path(name)) ? fs::file_size(path(name)) : 0;
    if (size < static_cast<uint64_t>(kept->second))
      throw InputError(path(name), "has " + std::to_string(size) + " bytes where the checkpoint " +
                                       "counts " + std::to_string(kept->second) +
                                       "; rows are missing");
    fs::resize_file(path(name), static_cast<uint64_t>(kept->second));
  }
}

void RunFolder::write_experiment(const Json& resolved) const {
  write_file_atomically(path("experiment.json"), resolved.dump(2) + "\n");
}

DurableFile& RunFolder::open(std::unique_ptr<DurableFile>& file, const Table& table,
                             bool is_private_run) {
  if (!file) {
    const std::string name = path(table.name(is_private_run));
    if (!fs::exists(name))
      write_file_atomically(name, table.header() + "\n", table.mode(is_private_run));
    file = std::make_unique<DurableFile>(name);
  }
  return *file;
}

void RunFolder::append_round(const RoundRecord& round, double seconds) {
  const std::string number = std::to_string(round.round);
  open(rounds_, rounds_table())
      .append(number + "," + cell(round.clients) + "," + cell(round.learning_rate) + "," +
              cell(round.accuracy) + "," + cell(round.loss) + "," + cell(round.epsilon) + "," +
              cell(round.client_epsilon) + "," + cell(round.attack_success) + "," +
              cell(round.auc) + "," + cell(round.f1) + "\n");
  open(timings_, timings_table()).append(number + "," + cell(seconds) + "\n");
}

void RunFolder::append_communication(int64_t round, const RoundStory& story,
                                     const RoundOutcome& outcome, bool shows_uploads) {
  const auto of_uploads = [&](int64_t value) { return shows_uploads ? std::to_string(value) : ""; };
  open(communication_, communication_table())
      .append(std::to_string(round) + "," + std::to_string(story.charged.size()) + "," +
              of_uploads(outcome.used) + "," + of_uploads(outcome.rejected) + "," +
              std::to_string(outcome.bytes_down) + "," + of_uploads(outcome.bytes_up) + "," +
              cell(story.duration) + "\n");
}

void RunFolder::append_training(int64_t round, const LocalMetrics& metrics, bool is_private) {
  const double loss =
      metrics.examples == 0 ? 0.0 : metrics.loss_sum / static_cast<double>(metrics.examples);
  open(training_, training_table(), is_private)
      .append(std::to_string(round) + "," + std::to_string(metrics.steps) + "," +
              std::to_string(metrics.examples) + "," + cell(loss) + "," +
              std::to_string(metrics.clipped) + "," + std::to_string(metrics.non_finite) + "\n");
}

void RunFolder::append_client(int64_t round, int64_t client, const Evaluation& evaluation,
                              bool is_regression, bool is_private) {
  open(clients_, clients_table(), is_private)
      .append(std::to_string(round) + "," + std::to_string(client) + "," +
              std::to_string(evaluation.examples) + "," +
              (is_regression ? "" : cell(evaluation.accuracy())) + "," + cell(evaluation.loss()) +
              "\n");
}

void RunFolder::finish(const RunRecord& record, const StateDict& model,
                       const std::vector<StateDict>& device_models) const {
  save_state(model, path("model.safetensors"));
  for (size_t i = 0; i < device_models.size(); ++i)
    save_state(device_models[i], path("model_device_" + std::to_string(i) + ".safetensors"));
  write_file_atomically(path("report.html"), report_html(record));
  write_file_atomically(path("run.json"), to_json(record).dump(2) + "\n");
}

}  // namespace starling::experiment
