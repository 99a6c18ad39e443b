#include "experiment/vocabulary.h"
#include "starling/core/error.h"
#include "starling/experiment/run.h"

namespace starling {
namespace {

// Tokens for a model that looks them up, numbers for every other.
ProbeInput input_for(const Federation& federation, const torch::nn::Module& model) {
  const auto features = federation.test.features.sizes();
  ProbeInput input;
  input.shape.assign(features.begin() + 1, features.end());
  input.vocabulary = experiment::vocabulary_of(model);
  return input;
}

// check: (model, forward, input) -> report.
template <class Check>
auto checked(const Federation& federation, const std::string& source, torch::Dtype dtype,
             Check check) {
  const auto model = federation.factory();
  model->train();
  model->to(dtype);
  try {
    return check(
        *model, [&](const torch::Tensor& batch) { return model->forward(batch); },
        input_for(federation, *model));
  } catch (const Error& problem) {
    throw InputError(source + ": /model", problem.what());
  }
}

}  // namespace

ProbeReport probe_model(const Federation& federation, const std::string& source) {
  return checked(federation, source, torch::kFloat32, probe);
}

GradientCheck check_model_gradients(const Federation& federation, const std::string& source) {
  return checked(federation, source, torch::kFloat64, check_gradients);
}

}  // namespace starling
