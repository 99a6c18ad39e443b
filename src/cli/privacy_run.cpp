#include "cli/privacy_run.h"

#include <algorithm>
#include <filesystem>

#include "experiment/stream_name.h"
#include "starling/core/error.h"
#include "starling/core/json.h"

namespace starling::cli {
namespace {

namespace fs = std::filesystem;

std::optional<Json> json_beside(const std::string& ledger, const std::string& name) {
  const fs::path path = fs::path(ledger).parent_path() / name;
  if (!fs::is_regular_file(path)) return std::nullopt;
  return read_json(path.string());
}

std::optional<Json> member(const std::optional<Json>& json, const std::string& pointer) {
  const Json::json_pointer place(pointer);
  if (!json || !json->contains(place)) return std::nullopt;
  return json->at(place);
}

// What the statement about a level says in run.json beside the ledger.
std::optional<Json> stated(const std::string& ledger, const std::string& unit,
                           const std::string& pointer) {
  const auto statements = member(json_beside(ledger, "run.json"), "/privacy");
  if (!statements || !statements->is_array()) return std::nullopt;
  for (const Json& statement : *statements)
    if (member(statement, "/unit") == Json(unit)) return member(statement, pointer);
  return std::nullopt;
}

}  // namespace

std::string ledger_path(const std::string& run) {
  const std::string path = fs::is_directory(run) ? (fs::path(run) / "ledger.jsonl").string() : run;
  if (fs::exists(path)) return path;
  if (const auto unit = member(json_beside(path, "experiment.json"), "/privacy/unit");
      unit && *unit == "none")
    throw InputError(path, "is not there: the run has no privacy and spends none. NO DP GUARANTEE");
  return path;
}

bool has_insecure_seed(const PrivacyLedger& ledger) {
  return std::ranges::any_of(ledger.lines(), [](const LedgerLine& line) {
    return experiment::is_insecure_stream(line.stream);
  });
}

std::string insecure_words(const PrivacyLedger& ledger) {
  if (!has_insecure_seed(ledger)) return "";
  return "INSECURE SEED: NO DP GUARANTEE. The noise follows from a seed in the experiment, so "
         "anyone "
         "who knows it can subtract it. The same releases with secret noise:\n";
}

std::optional<int64_t> protected_beside(const std::string& ledger, const std::string& unit) {
  const auto number = stated(ledger, unit, unit == "client" ? "/clients" : "/largest_client");
  if (!number || !number->is_number_integer()) return std::nullopt;
  return number->get<int64_t>();
}

std::optional<double> delta_beside(const std::string& ledger, const std::string& unit) {
  const auto experiment = json_beside(ledger, "experiment.json");
  for (const auto& delta :
       {stated(ledger, unit, "/delta"), member(experiment, "/privacy/" + unit + "/delta"),
        member(experiment, "/privacy/delta")})
    if (delta && delta->is_number()) return delta->get<double>();
  return std::nullopt;
}

std::optional<LedgerHead> head_beside(const std::string& ledger) {
  const auto record = json_beside(ledger, "run.json");
  const auto lines = member(record, "/privacy/0/ledger_lines");
  const auto hash = member(record, "/privacy/0/ledger_head");
  if (!lines || !hash || !lines->is_number_integer() || !hash->is_string()) return std::nullopt;
  return LedgerHead{lines->get<int64_t>(), hash->get<std::string>()};
}

}  // namespace starling::cli
