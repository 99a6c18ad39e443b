#include "cli/privacy_run.h"

#include <filesystem>

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

}  // namespace

std::string ledger_path(const std::string& run) {
  return fs::is_directory(run) ? (fs::path(run) / "ledger.jsonl").string() : run;
}

std::optional<double> delta_beside(const std::string& ledger) {
  const auto delta = member(json_beside(ledger, "experiment.json"), "/privacy/delta");
  if (!delta || !delta->is_number()) return std::nullopt;
  return delta->get<double>();
}

std::optional<LedgerHead> head_beside(const std::string& ledger) {
  const auto record = json_beside(ledger, "run.json");
  const auto lines = member(record, "/privacy/0/ledger_lines");
  const auto hash = member(record, "/privacy/0/ledger_head");
  if (!lines || !hash || !lines->is_number_integer() || !hash->is_string()) return std::nullopt;
  return LedgerHead{lines->get<int64_t>(), hash->get<std::string>()};
}

}  // namespace starling::cli
