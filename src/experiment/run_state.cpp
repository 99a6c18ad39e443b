#include "experiment/run_state.h"

#include <cstring>
#include <limits>

#include "experiment/fingerprint.h"
#include "starling/core/error.h"
#include "starling/core/safetensors.h"
#include "starling/nn/state.h"

namespace starling::experiment {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr size_t kMostDifferences = 5;

// Section names.
constexpr const char* kModel = "model";
constexpr const char* kStrategy = "strategy";
constexpr const char* kClients = "clients";
constexpr const char* kHistory = "history";
constexpr const char* kExperiment = "experiment";
constexpr const char* kProgress = "progress";

RawTensor view(const std::string& name, const std::vector<double>& values) {
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()),
                               values.size() * sizeof(double));
  return {name, DataType::float64, {std::ssize(values)}, bytes};
}

std::vector<double> values_of(const RawTensor& tensor) {
  if (tensor.type != DataType::float64)
    throw InputError("checkpoint", "\"" + tensor.name + "\" is not of float64");
  std::vector<double> values(tensor.bytes.size() / sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

std::string pack_strategy(Strategy& strategy) {
  std::vector<RawTensor> tensors;
  for (const auto& [name, values] : strategy.slots()) tensors.push_back(view(name, *values));
  return format_safetensors(tensors);
}

void unpack_strategy(const std::string& bytes, Strategy& strategy) {
  const auto file = parse_safetensors(bytes, "checkpoint: strategy");
  const auto slots = strategy.slots();
  if (slots.size() != file.tensors.size())
    throw InputError("checkpoint: strategy", "has " + std::to_string(file.tensors.size()) +
                                                 " vectors where the strategy has " +
                                                 std::to_string(slots.size()));
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].first != file.tensors[i].name)
      throw InputError("checkpoint: strategy", "has \"" + file.tensors[i].name + "\" where \"" +
                                                   slots[i].first + "\" is expected");
    *slots[i].second = values_of(file.tensors[i]);
  }
}

// Most clients keep nothing: their tensors are left out.
std::string pack_clients(const std::vector<ClientState>& states) {
  std::vector<RawTensor> tensors;
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string id = std::to_string(i);
    if (!states[i].memory.empty()) tensors.push_back(view("memory/" + id, states[i].memory));
    if (!states[i].personal.empty()) tensors.push_back(view("personal/" + id, states[i].personal));
    if (!states[i].residual.empty()) tensors.push_back(view("residual/" + id, states[i].residual));
  }
  return format_safetensors(tensors);
}

void unpack_clients(const std::string& bytes, std::vector<ClientState>& states) {
  const auto file = parse_safetensors(bytes, "checkpoint: clients");
  std::map<std::string, const RawTensor*> by_name;
  for (const auto& tensor : file.tensors) by_name[tensor.name] = &tensor;
  size_t used = 0;
  const auto take = [&](const std::string& name) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) return std::vector<double>();
    ++used;
    return values_of(*found->second);
  };
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string id = std::to_string(i);
    states[i] = {take("memory/" + id), take("personal/" + id), take("residual/" + id)};
  }
  if (used != file.tensors.size())
    throw InputError("checkpoint: clients", "holds the state of clients that are not there");
}

Json progress_json(const RunProgress& progress, double clip_norm) {
  Json sizes = Json::object();
  for (const auto& [name, size] : progress.file_sizes) sizes[name] = size;
  return Json{{"record", to_json(progress.record)},
              {"file_sizes", sizes},
              {"ledger", {{"lines", progress.ledger.lines}, {"hash", progress.ledger.hash}}},
              {"client_rounds", progress.client_rounds},
              {"server_rounds", progress.server_rounds},
              {"clip_norm", clip_norm}};
}

std::string shown(const Json& value) {
  const std::string text = value.is_null() ? "nothing" : value.dump();
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

void list_differences(const Json& was, const Json& is, const std::string& pointer,
                      std::vector<std::string>& found) {
  if (was == is) return;
  if (!was.is_object() || !is.is_object()) {
    found.push_back((pointer.empty() ? "/" : pointer) + " was " + shown(was) + " and is " +
                    shown(is));
    return;
  }
  static const Json kAbsent;
  for (const auto& item : was.items())
    list_differences(item.value(), is.contains(item.key()) ? is[item.key()] : kAbsent,
                     pointer + "/" + item.key(), found);
  for (const auto& item : is.items())
    if (!was.contains(item.key()))
      list_differences(kAbsent, item.value(), pointer + "/" + item.key(), found);
}

}  // namespace

Checkpoint pack(int64_t round, const std::string& config, const Json& experiment,
                const RunProgress& progress, Server& server, Simulation& simulation,
                const GlobalHistory& history) {
  Checkpoint checkpoint{progress.record.id, config, round, {}};
  checkpoint.sections[kModel] = to_safetensors(server.global());
  checkpoint.sections[kStrategy] = pack_strategy(server.strategy());
  checkpoint.sections[kClients] = pack_clients(simulation.states());
  checkpoint.sections[kHistory] = to_safetensors(history.pack());
  checkpoint.sections[kExperiment] = experiment.dump();
  checkpoint.sections[kProgress] = progress_json(progress, server.clip_norm()).dump();
  return checkpoint;
}

RunProgress unpack_progress(const Checkpoint& checkpoint) {
  const std::string source = "checkpoint: progress";
  const Json json = parse_json(checkpoint.section(kProgress), source);
  JsonObject object(json, source);
  RunProgress progress;
  progress.record = parse_record(object.raw("record"), source);
  JsonObject sizes = object.object("file_sizes");
  for (const auto& item : sizes.value().items())
    progress.file_sizes[item.key()] = sizes.integer(item.key(), 0, kLargest);
  JsonObject ledger = object.object("ledger");
  progress.ledger = {ledger.integer("lines", 0, kLargest), ledger.string("hash")};
  progress.client_rounds = object.integers("client_rounds", 0, kLargest);
  progress.server_rounds = object.integer("server_rounds", 0, kLargest);
  object.number("clip_norm");
  object.finish();
  return progress;
}

void unpack_federation(const Checkpoint& checkpoint, Server& server, Simulation& simulation,
                       GlobalHistory& history) {
  const std::string source = "checkpoint: progress";
  const Json json = parse_json(checkpoint.section(kProgress), source);
  const double clip_norm = JsonObject(json, source).number("clip_norm");
  server.restore(from_safetensors(checkpoint.section(kModel), "checkpoint: model"), clip_norm);
  unpack_strategy(checkpoint.section(kStrategy), server.strategy());
  unpack_clients(checkpoint.section(kClients), simulation.states());
  history.unpack(from_safetensors(checkpoint.section(kHistory), "checkpoint: history"));
}

void check_same_experiment(const Checkpoint& checkpoint, const Json& experiment,
                           const std::string& source) {
  const Json was = parse_json(checkpoint.section(kExperiment), "checkpoint: experiment");
  std::vector<std::string> found;
  list_differences(was, experiment, "", found);
  if (found.empty()) return;
  std::string text = "is not the experiment that this run began with: ";
  for (size_t i = 0; i < std::min(found.size(), kMostDifferences); ++i)
    text += (i == 0 ? "" : "; ") + found[i];
  if (found.size() > kMostDifferences)
    text += "; and " + std::to_string(found.size() - kMostDifferences) + " more";
  throw InputError(source, text + ". Start a new run for it");
}

void check_same_environment(const RunProgress& progress,
                            const std::vector<std::pair<std::string, std::string>>& environment) {
  const auto& before = progress.record.environment;
  for (const auto& [name, value] : environment) {
    if (!decides_bytes(name)) continue;
    for (const auto& [known, was] : before)
      if (known == name && was != value)
        throw InputError("--resume", "this run began with another " + name + " (" +
                                         was.substr(0, 16) + ", here " + value.substr(0, 16) +
                                         "), whose results differ in their last bits; resume with "
                                         "the same program on the same kind of machine");
  }
}

}  // namespace starling::experiment
