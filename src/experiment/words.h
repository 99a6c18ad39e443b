#pragma once
// The words of the experiment file for each enum, in one place for reader and writer.

#include <string>
#include <utility>
#include <vector>

#include "starling/experiment/experiment.h"

namespace starling::experiment {

template <class Enum>
using Words = std::vector<std::pair<std::string, Enum>>;

inline const Words<QuantityLaw> kQuantityLaws = {{"linear", QuantityLaw::linear},
                                                 {"square", QuantityLaw::square},
                                                 {"exponential", QuantityLaw::exponential},
                                                 {"lognormal", QuantityLaw::lognormal}};
inline const Words<SamplingKind> kSamplingKinds = {{"shuffle", SamplingKind::shuffle},
                                                   {"poisson", SamplingKind::poisson},
                                                   {"fixed", SamplingKind::fixed}};
inline const Words<Relation> kRelations = {{"zero_out", Relation::zero_out},
                                           {"add_remove", Relation::add_remove},
                                           {"replace_one", Relation::replace_one}};
inline const Words<Adversary> kAdversaries = {{"server_and_models", Adversary::server_and_models},
                                              {"every_global_model", Adversary::every_global_model},
                                              {"final_model", Adversary::final_model}};
inline const Words<ClippingKind> kClippingKinds = {{"flat", ClippingKind::flat},
                                                   {"per_layer", ClippingKind::per_layer},
                                                   {"automatic", ClippingKind::automatic}};
inline const Words<NoiseKind> kNoiseKinds = {{"fast", NoiseKind::fast},
                                             {"secure", NoiseKind::secure}};
inline const Words<ClientPrivacy::Release> kReleases = {
    {"gaussian", ClientPrivacy::Release::gaussian}, {"tree", ClientPrivacy::Release::tree}};
inline const Words<Weighting> kWeightings = {{"examples", Weighting::examples},
                                             {"uniform", Weighting::uniform}};
inline const Words<NoiseBy> kNoiseBy = {{"client", NoiseBy::client}, {"server", NoiseBy::server}};
inline const Words<LossKind> kLossKinds = {{"cross_entropy", LossKind::cross_entropy},
                                           {"mse", LossKind::mse}};
inline const Words<Device> kDevices = {{"cpu", Device::cpu}, {"cuda", Device::cuda}};
inline const Words<DType> kDTypes = {{"float32", DType::float32}, {"float64", DType::float64}};

template <class Enum>
std::string word(const Words<Enum>& words, Enum value) {
  for (const auto& [name, candidate] : words)
    if (candidate == value) return name;
  return "";
}

// "x", with its quotation marks.
inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  return result.append(text).append("\"");
}

}  // namespace starling::experiment
