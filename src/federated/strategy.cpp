#include "starling/federated/strategy.h"

#include <algorithm>
#include <cmath>

#include "starling/core/error.h"

namespace starling {
namespace {

struct Maker {
  int64_t answers = 0;
  std::vector<std::vector<double>> device_models;

  std::unique_ptr<Strategy> operator()(const FedAvgSpec& spec) const { return fedavg(spec); }
  std::unique_ptr<Strategy> operator()(const FedAvgMSpec& spec) const { return fedavgm(spec); }
  std::unique_ptr<Strategy> operator()(const FedProxSpec& spec) const { return fedprox(spec); }
  std::unique_ptr<Strategy> operator()(const ScaffoldSpec& spec) const { return scaffold(spec); }
  std::unique_ptr<Strategy> operator()(const FedNovaSpec& spec) const { return fednova(spec); }
  std::unique_ptr<Strategy> operator()(const FedAdagradSpec& spec) const {
    return fedadagrad(spec);
  }
  std::unique_ptr<Strategy> operator()(const FedAdamSpec& spec) const { return fedadam(spec); }
  std::unique_ptr<Strategy> operator()(const FedYogiSpec& spec) const { return fedyogi(spec); }
  std::unique_ptr<Strategy> operator()(const FedDynSpec& spec) const { return feddyn(spec); }
  std::unique_ptr<Strategy> operator()(const QFedAvgSpec& spec) const { return qfedavg(spec); }
  std::unique_ptr<Strategy> operator()(const FedBnSpec& spec) const { return fedbn(spec); }
  std::unique_ptr<Strategy> operator()(const FedPerSpec& spec) const { return fedper(spec); }
  std::unique_ptr<Strategy> operator()(const DittoSpec& spec) const { return ditto(spec); }
  std::unique_ptr<Strategy> operator()(const FedSgdSpec& spec) const { return fedsgd(spec); }
  std::unique_ptr<Strategy> operator()(const FedBuffSpec& spec) const { return fedbuff(spec); }
  std::unique_ptr<Strategy> operator()(const FedDfSpec& spec) const {
    return feddf(spec, answers, device_models);
  }
  std::unique_ptr<Strategy> operator()(const DsFlSpec& spec) const { return dsfl(spec, answers); }
  std::unique_ptr<Strategy> operator()(const FedMdSpec& spec) const { return fedmd(spec, answers); }
};

struct Namer {
  std::string operator()(const FedAvgSpec&) const { return "fedavg"; }
  std::string operator()(const FedAvgMSpec&) const { return "fedavgm"; }
  std::string operator()(const FedProxSpec&) const { return "fedprox"; }
  std::string operator()(const ScaffoldSpec&) const { return "scaffold"; }
  std::string operator()(const FedNovaSpec&) const { return "fednova"; }
  std::string operator()(const FedAdagradSpec&) const { return "fedadagrad"; }
  std::string operator()(const FedAdamSpec&) const { return "fedadam"; }
  std::string operator()(const FedYogiSpec&) const { return "fedyogi"; }
  std::string operator()(const FedDynSpec&) const { return "feddyn"; }
  std::string operator()(const QFedAvgSpec&) const { return "qfedavg"; }
  std::string operator()(const FedBnSpec&) const { return "fedbn"; }
  std::string operator()(const FedPerSpec&) const { return "fedper"; }
  std::string operator()(const DittoSpec&) const { return "ditto"; }
  std::string operator()(const FedSgdSpec&) const { return "fedsgd"; }
  std::string operator()(const FedBuffSpec&) const { return "fedbuff"; }
  std::string operator()(const FedDfSpec&) const { return "feddf"; }
  std::string operator()(const DsFlSpec&) const { return "dsfl"; }
  std::string operator()(const FedMdSpec&) const { return "fedmd"; }
};

}  // namespace

double effective_steps(int64_t steps, double momentum) {
  const double count = static_cast<double>(steps);
  const double rest = 1.0 - momentum;
  return (count - momentum * (1.0 - std::pow(momentum, count)) / rest) / rest;
}

LocalCorrection Strategy::correction(const ClientMemory&) const { return {}; }

void Strategy::upload(const LocalResult& result, ClientMemory&, std::span<double> upload) const {
  std::ranges::copy(result.update, upload.begin());
}

int64_t Strategy::weight(int64_t examples) const {
  return weights_ == Weighting::uniform ? 1 : examples;
}

void Strategy::set_device_model(size_t, std::vector<double>) {
  throw Error(name() + " has no models of devices");
}

std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec, int64_t answers,
                                        std::vector<std::vector<double>> device_models) {
  return std::visit(Maker{answers, std::move(device_models)}, spec);
}

std::string to_string(const StrategySpec& spec) { return std::visit(Namer{}, spec); }

bool server_adds_example_noise(const StrategySpec& spec) {
  const auto* fedsgd = std::get_if<FedSgdSpec>(&spec);
  return fedsgd != nullptr && fedsgd->noise_by == NoiseBy::server;
}

Weighting weighting_of(const StrategySpec& spec) {
  return std::visit([](const auto& kind) { return kind.weights; }, spec);
}

const PublicDistillation* distillation_of(const StrategySpec& spec) {
  return std::visit(
      [](const auto& kind) -> const PublicDistillation* {
        if constexpr (requires { kind.distillation; }) return &kind.distillation;
        return nullptr;
      },
      spec);
}

}  // namespace starling
