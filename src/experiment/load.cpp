#include <filesystem>

#include "starling/core/error.h"
#include "starling/experiment/experiment.h"

namespace starling {
namespace {

bool is_description(const std::string& dataset) {
  return std::filesystem::path(dataset).extension() == ".json";
}

template <class Work>
void for_each_model(Experiment& experiment, Work work) {
  work(experiment.model);
  for (auto& device : experiment.devices) work(device.model);
}

// Every path of the experiment, in place.
template <class Change>
void change_paths(Experiment& experiment, Change change) {
  for_each_model(experiment, [&](ModelSpec& model) {
    if (!model.file.empty()) change(model.file);
    if (model.initial) change(*model.initial);
  });
  if (is_description(experiment.dataset.name)) change(experiment.dataset.name);
}

// batch_norm1d and batch_norm2d become group_norm with its default groups, at any depth.
void replace_batch_norm(Json& layers) {
  if (!layers.is_array()) return;
  for (Json& layer : layers) {
    if (!layer.is_object()) continue;
    for (const char* list : {"layers", "shortcut"})
      if (layer.contains(list)) replace_batch_norm(layer[list]);
    const auto kind = layer.find("kind");
    if (kind == layer.end() || (*kind != "batch_norm1d" && *kind != "batch_norm2d")) continue;
    Json group = Json::object({{"kind", "group_norm"}});
    if (layer.contains("num_features")) group["num_channels"] = layer["num_features"];
    for (const char* kept : {"name", "eps", "affine"})
      if (layer.contains(kept)) group[kept] = layer[kept];
    layer = std::move(group);
  }
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

ModelDescription describe_model(const ModelSpec& model, const std::string& experiment_source,
                                const std::string& place) {
  ModelDescription description{Json::object({{"layers", model.layers}}), experiment_source, place};
  if (!model.file.empty()) description = {read_json(model.file), model.file, ""};
  if (model.replace_batch_norm && description.json.is_object() &&
      description.json.contains("layers"))
    replace_batch_norm(description.json["layers"]);
  return description;
}

Experiment self_contained(const Experiment& experiment) {
  Experiment result = experiment;
  for_each_model(result, [](ModelSpec& spec) {
    const auto description = describe_model(spec, "");
    JsonObject model(description.json, description.source);
    model.objects("layers");
    spec.layers = model.raw("layers");
    spec.file.clear();
  });
  change_paths(result, [](std::string& file) {
    file = std::filesystem::absolute(file).lexically_normal().string();
  });
  return result;
}

}  // namespace starling
