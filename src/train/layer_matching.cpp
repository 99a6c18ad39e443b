#include "starling/train/layer_matching.h"

#include <ATen/ATen.h>

#include <cmath>

#include "starling/core/error.h"
#include "starling/nn/layer_outputs.h"

namespace starling {
namespace {

constexpr double kSmallestNorm = 1e-12;

std::vector<std::string> names_of(std::span<const LayerMatch> matches,
                                  std::string LayerMatch::*side) {
  std::vector<std::string> names;
  for (const auto& match : matches) names.push_back(match.*side);
  return names;
}

std::vector<torch::Tensor> outputs_of(Model& model, const torch::Tensor& features,
                                      const std::vector<std::string>& names, const char* who) {
  try {
    return layer_outputs(model, features.to(device_of(model)), names).layers;
  } catch (const Error& problem) {
    throw Error(std::string(who) + ": " + problem.what());
  }
}

bool is_image(const torch::Tensor& activations) { return activations.dim() == 4; }

// Refuses shapes that the kind cannot compare.
void check(const LayerMatch& match, const torch::Tensor& teacher, const torch::Tensor& student) {
  const auto fail = [&](const std::string& reason) {
    throw Error(to_string(match) + ": the teacher's layer makes " + c10::str(teacher.sizes()) +
                " of a batch and the student's " + c10::str(student.sizes()) + "; " + reason);
  };
  if (!(match.weight > 0.0) || !std::isfinite(match.weight))
    throw Error(to_string(match) + ": weight " + std::to_string(match.weight) + " is not above 0");
  const bool images = is_image(teacher) && is_image(student);
  if (match.kind == MatchKind::attention) {
    if (!images) fail("attention needs [batch, channels, height, width] on both sides");
    if (teacher.sizes().slice(2) != student.sizes().slice(2))
      fail("attention needs images of one size");
    return;
  }
  if (!images && !(teacher.dim() == 2 && student.dim() == 2))
    fail("a hint needs [batch, features] or [batch, channels, height, width] on both sides");
  if (images && (student.size(2) < teacher.size(2) || student.size(3) < teacher.size(3)))
    fail("a hint needs a student's image at least as large as the teacher's");
}

// LibTorch's usual bounds of an affine layer: 1 / sqrt(inputs of one output).
torch::Tensor uniform(at::IntArrayRef shape, int64_t inputs, const torch::Tensor& like) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
  return torch::empty(shape, like.options()).uniform_(-bound, bound);
}

}  // namespace

torch::Tensor attention_map(const torch::Tensor& activations) {
  const auto energy = activations.square().sum(1).flatten(1);
  return energy / at::linalg_vector_norm(energy, 2, at::IntArrayRef{1}, /*keepdim=*/true)
                      .clamp_min(kSmallestNorm);
}

std::vector<torch::Tensor> layer_targets(Model& teacher, const torch::Tensor& features,
                                         std::span<const LayerMatch> matches, int64_t batch_size) {
  if (matches.empty()) return {};
  teacher.eval();
  torch::NoGradGuard no_grad;
  const auto names = names_of(matches, &LayerMatch::teacher);
  std::vector<std::vector<torch::Tensor>> parts(matches.size());
  for (const auto& batch : features.split(batch_size)) {
    const auto layers = outputs_of(teacher, batch, names, "teacher");
    for (size_t i = 0; i < matches.size(); ++i)
      parts[i].push_back(
          (matches[i].kind == MatchKind::attention ? attention_map(layers[i]) : layers[i]).cpu());
  }
  std::vector<torch::Tensor> targets;
  for (const auto& part : parts) targets.push_back(at::cat(part));
  return targets;
}

MatchedStudent::MatchedStudent(std::shared_ptr<Model> student, Model& teacher,
                               std::vector<LayerMatch> matches, const torch::Tensor& sample)
    : student_(register_module("student", std::move(student))),
      matches_(std::move(matches)),
      layers_(names_of(matches_, &LayerMatch::student)) {
  if (matches_.empty()) return;
  teacher.eval();
  student_->eval();
  torch::NoGradGuard no_grad;
  const auto wanted =
      outputs_of(teacher, sample, names_of(matches_, &LayerMatch::teacher), "teacher");
  const auto own = outputs_of(*student_, sample, layers_, "student");
  for (size_t i = 0; i < matches_.size(); ++i) {
    check(matches_[i], wanted[i], own[i]);
    auto& projection = projections_.emplace_back();
    if (matches_[i].kind == MatchKind::attention) continue;
    std::vector<int64_t> shape{wanted[i].size(1), own[i].size(1)};
    for (int64_t dim = 2; dim < own[i].dim(); ++dim)
      shape.push_back(own[i].size(dim) - wanted[i].size(dim) + 1);
    int64_t inputs = 1;
    for (size_t dim = 1; dim < shape.size(); ++dim) inputs *= shape[dim];
    const auto name = "projection" + std::to_string(i);
    projection.weight = register_parameter(name + "_weight", uniform(shape, inputs, own[i]));
    projection.bias = register_parameter(name + "_bias", uniform({shape[0]}, inputs, own[i]));
  }
}

MatchedStudent::Matched MatchedStudent::match(const torch::Tensor& features,
                                              std::span<const torch::Tensor> targets) {
  const auto [logits, own] = layer_outputs(*student_, features, layers_);
  auto losses = torch::zeros({features.size(0)}, logits.options());
  for (size_t i = 0; i < matches_.size(); ++i) {
    torch::Tensor distance;
    if (matches_[i].kind == MatchKind::attention) {
      distance = (attention_map(own[i]) - targets[i]).square().sum(1);
    } else {
      const auto& [weight, bias] = projections_[i];
      const auto projected =
          is_image(own[i]) ? at::conv2d(own[i], weight, bias) : at::linear(own[i], weight, bias);
      distance = (projected - targets[i]).square().flatten(1).mean(1);
    }
    losses = losses + distance * (0.5 * matches_[i].weight);
  }
  return {logits, losses};
}

}  // namespace starling
