#include "starling/train/optimizer.h"

#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include "train/adam_bc.h"

namespace starling {
namespace {

namespace optim = torch::optim;
using Parameters = std::vector<torch::Tensor>;
using Made = std::unique_ptr<optim::Optimizer>;

struct Maker {
  Parameters parameters;
  double factor;
  double noise_deviation;

  Made operator()(const SgdSpec& spec) const {
    return std::make_unique<optim::SGD>(parameters, optim::SGDOptions(spec.learning_rate * factor)
                                                        .momentum(spec.momentum)
                                                        .dampening(spec.dampening)
                                                        .weight_decay(spec.weight_decay)
                                                        .nesterov(spec.nesterov));
  }
  Made operator()(const AdamSpec& spec) const {
    return std::make_unique<optim::Adam>(parameters, optim::AdamOptions(spec.learning_rate * factor)
                                                         .betas(spec.betas)
                                                         .eps(spec.eps)
                                                         .weight_decay(spec.weight_decay)
                                                         .amsgrad(spec.amsgrad));
  }
  Made operator()(const AdamWSpec& spec) const {
    return std::make_unique<optim::AdamW>(parameters,
                                          optim::AdamWOptions(spec.learning_rate * factor)
                                              .betas(spec.betas)
                                              .eps(spec.eps)
                                              .weight_decay(spec.weight_decay)
                                              .amsgrad(spec.amsgrad));
  }
  Made operator()(const RmspropSpec& spec) const {
    return std::make_unique<optim::RMSprop>(parameters,
                                            optim::RMSpropOptions(spec.learning_rate * factor)
                                                .alpha(spec.alpha)
                                                .eps(spec.eps)
                                                .weight_decay(spec.weight_decay)
                                                .momentum(spec.momentum)
                                                .centered(spec.centered));
  }
  Made operator()(const AdagradSpec& spec) const {
    return std::make_unique<optim::Adagrad>(
        parameters, optim::AdagradOptions(spec.learning_rate * factor)
                        .lr_decay(spec.lr_decay)
                        .weight_decay(spec.weight_decay)
                        .initial_accumulator_value(spec.initial_accumulator_value)
                        .eps(spec.eps));
  }
  Made operator()(const AdamBcSpec& spec) const {
    return std::make_unique<AdamBc>(parameters, spec, factor, noise_deviation);
  }
};

}  // namespace

Made make_optimizer(const OptimizerSpec& spec, Parameters parameters, double factor,
                    double noise_deviation) {
  return std::visit(Maker{std::move(parameters), factor, noise_deviation}, spec);
}

}  // namespace starling
