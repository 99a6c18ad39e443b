#include <c10/util/Exception.h>

#include <set>

#include "nn/layer.h"
#include "starling/core/error.h"

namespace starling {
namespace {

const std::vector<LayerKind>& all_kinds() {
  static const std::vector<LayerKind> kinds = [] {
    std::vector<LayerKind> all;
    for (const auto family :
         {dense_kinds(), activation_kinds(), convolution_kinds(), pooling_kinds(),
          normalisation_kinds(), sequence_kinds(), container_kinds()})
      all.insert(all.end(), family.begin(), family.end());
    return all;
  }();
  return kinds;
}

const LayerKind& kind_of(JsonObject& options) {
  std::vector<std::pair<std::string, const LayerKind*>> choices;
  for (const auto& kind : all_kinds()) choices.emplace_back(kind.name, &kind);
  return *options.choice("kind", choices);
}

// LibTorch's messages carry a stack trace and often several lines; the first says what is wrong.
std::string one_line(std::string reason) {
  reason = reason.substr(0, reason.find('\n'));
  const auto trace = reason.find("Exception raised from");
  if (trace != std::string::npos) reason.resize(trace);
  while (!reason.empty() && (reason.back() == ' ' || reason.back() == '.')) reason.pop_back();
  return reason;
}

[[noreturn]] void refuse(const JsonObject& options, const std::string& kind,
                         const torch::Tensor& input, const std::string& reason) {
  options.fail(
      "", kind + " does not fit its input of shape " + shape_text(input) + ": " + one_line(reason));
}

struct Built {
  Layer layer;
  torch::Tensor output;
};

Built build(JsonObject& options, const torch::Tensor& input, std::optional<int64_t> classes) {
  const auto& kind = kind_of(options);
  try {
    Built built{kind.build({options, input, classes}), {}};
    options.finish();
    built.layer.module->eval();
    built.output = built.layer.forward(input);
    built.layer.module->train();
    return built;
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& problem) {
    refuse(options, kind.name, input, problem.what_without_backtrace());
  } catch (const std::exception& problem) {
    refuse(options, kind.name, input, problem.what());
  }
}

std::string name_of(JsonObject& options, size_t position, std::set<std::string>& taken) {
  const auto name = options.string("name", std::to_string(position));
  if (name.empty() || name.find('.') != std::string::npos)
    options.fail("name", "\"" + name + "\" is empty or holds a dot, which separates names");
  if (!taken.insert(name).second)
    options.fail("name", "\"" + name + "\" is the name of an earlier layer or its position");
  return name;
}

Layer sequential(const LayerSite& site) {
  auto list = build_list(site.options.objects("layers"), site.input, site.classes).list;
  auto* const layers = list.get();
  return {std::move(list), [layers](const torch::Tensor& input) { return layers->forward(input); }};
}

// layers(x) + shortcut(x), where the shortcut is the identity unless it has layers (He et al.
// 2016).
class Residual final : public torch::nn::Module {
 public:
  Residual(std::shared_ptr<LayerList> layers, std::shared_ptr<LayerList> shortcut)
      : layers_(register_module("layers", std::move(layers))) {
    if (shortcut) shortcut_ = register_module("shortcut", std::move(shortcut));
  }
  torch::Tensor forward(const torch::Tensor& input) {
    return layers_->forward(input) + (shortcut_ ? shortcut_->forward(input) : input);
  }

 private:
  std::shared_ptr<LayerList> layers_;
  std::shared_ptr<LayerList> shortcut_;
};

Layer residual(const LayerSite& site) {
  auto& options = site.options;
  auto layers = build_list(options.objects("layers"), site.input, std::nullopt);
  BuiltList shortcut{nullptr, site.input};
  if (options.has("shortcut"))
    shortcut = build_list(options.objects("shortcut"), site.input, std::nullopt);
  if (layers.output.sizes() != shortcut.output.sizes())
    options.fail("", "residual adds layers of shape " + shape_text(layers.output) +
                         " to a shortcut of shape " + shape_text(shortcut.output) +
                         "; the two must be equal (\"shortcut\" takes layers)");
  auto block = std::make_shared<Residual>(std::move(layers.list), std::move(shortcut.list));
  auto* const module = block.get();
  return {std::move(block),
          [module](const torch::Tensor& input) { return module->forward(input); }};
}

constexpr LayerKind kContainers[] = {{"sequential", sequential}, {"residual", residual}};

}  // namespace

std::span<const LayerKind> container_kinds() { return kContainers; }

int64_t LayerSite::size_or(const std::string& key, int64_t dim) const {
  if (options.has(key)) return options.integer(key, 1, kLargestSize);
  return input.size(dim);
}

void LayerSite::limit_weight(const std::vector<int64_t>& extents) const {
  int64_t values = 1;
  for (const int64_t extent : extents)
    if (__builtin_mul_overflow(values, extent, &values) || values > kLargestWeight)
      options.fail(
          "", "would have a weight of more than " + std::to_string(kLargestWeight) + " values");
}

BuiltList build_list(const std::vector<JsonObject>& layers, const torch::Tensor& input,
                     std::optional<int64_t> classes) {
  BuiltList result{std::make_shared<LayerList>(), input};
  std::set<std::string> taken;
  for (size_t i = 0; i < layers.size(); ++i) {
    JsonObject options = layers[i];
    const auto name = name_of(options, i, taken);
    const bool last = i + 1 == layers.size();
    auto built = build(options, result.output, last ? classes : std::nullopt);
    result.list->append(name, std::move(built.layer));
    result.output = std::move(built.output);
  }
  return result;
}

torch::Tensor LayerList::forward(torch::Tensor input) {
  for (const auto& layer : layers_) input = layer.forward(input);
  return input;
}

torch::Tensor LayerList::forward(torch::Tensor input, std::vector<torch::Tensor>& outputs) {
  for (const auto& layer : layers_) outputs.push_back(input = layer.forward(input));
  return input;
}

void LayerList::append(const std::string& name, Layer layer) {
  register_module(name, layer.module);
  layers_.push_back(std::move(layer));
}

std::string shape_text(const torch::Tensor& batch) {
  if (batch.dim() == 0) return "[]";
  std::string text = "[batch";
  for (int64_t dim = 1; dim < batch.dim(); ++dim) text += ", " + std::to_string(batch.size(dim));
  return text + "]";
}

}  // namespace starling
