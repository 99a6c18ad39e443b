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
auto checked(const Federation& federation, const ModelFactory& factory, const std::string& place,
             torch::Dtype dtype, Check check) {
  const auto model = factory();
  model->train();
  model->to(dtype);
  try {
    return check(
        *model, [&](const torch::Tensor& batch) { return model->forward(batch); },
        input_for(federation, *model));
  } catch (const Error& problem) {
    throw InputError(place, problem.what());
  }
}

}  // namespace

ProbeReport probe_model(const Federation& federation, const std::string& source) {
  auto report =
      checked(federation, federation.factory, source + ": /model", torch::kFloat32, probe);
  for (size_t i = 0; i < federation.devices.size(); ++i) {
    const auto device =
        checked(federation, federation.devices[i].factory,
                source + ": /devices/" + std::to_string(i) + "/model", torch::kFloat32, probe);
    report.examples += device.examples;
    report.norm_error = std::max(report.norm_error, device.norm_error);
    report.without_rule.insert(report.without_rule.end(), device.without_rule.begin(),
                               device.without_rule.end());
  }
  return report;
}

GradientCheck check_model_gradients(const Federation& federation, const std::string& source) {
  return checked(federation, federation.factory, source + ": /model", torch::kFloat64,
                 check_gradients);
}

}  // namespace starling
