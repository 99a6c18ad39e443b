#include <filesystem>

#include "starling/core/error.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

bool is_description(const std::string& dataset) {
  return std::filesystem::path(dataset).extension() == ".json";
}

// Every path of the experiment, in place.
template <class Change>
void change_paths(Experiment& experiment, Change change) {
  if (!experiment.model.file.empty()) change(experiment.model.file);
  if (experiment.model.initial) change(*experiment.model.initial);
  if (is_description(experiment.dataset.name)) change(experiment.dataset.name);
}

}  // namespace

Experiment load_experiment(const std::string& path, const std::vector<std::string>& overrides) {
  Json json = read_json(path);
  apply_overrides(json, overrides);
  Experiment experiment = parse_experiment(json, overrides.empty() ? path : path + " with --set");
  const auto folder = std::filesystem::path(path).parent_path();
  change_paths(experiment,
               [&](std::string& file) { file = (folder / file).lexically_normal().string(); });
  return experiment;
}

ModelDescription describe_model(const ModelSpec& model, const std::string& experiment_source) {
  if (model.file.empty())
    return {Json::object({{"layers", model.layers}}), experiment_source, "/model"};
  return {read_json(model.file), model.file, ""};
}

Experiment self_contained(const Experiment& experiment) {
  Experiment result = experiment;
  if (!result.model.file.empty()) {
    const auto description = describe_model(result.model, "");
    JsonObject model(description.json, description.source);
    model.objects("layers");
    result.model.layers = model.raw("layers");
    result.model.file.clear();
  }
  change_paths(result, [](std::string& file) {
    file = std::filesystem::absolute(file).lexically_normal().string();
  });
  return result;
}

}  // namespace starling
