#include "starling/federated/server.h"

#include <algorithm>
#include <cmath>

#include "federated/tree_noise.h"
#include "starling/core/error.h"
#include "starling/core/log.h"
#include "starling/federated/collector.h"

namespace starling {
namespace {

// Of the sum, at most: what the grid makes room for.
double largest_noise(const RoundPlan& plan) {
  const double one = plan.noise_standard_deviation(plan.largest_clip());
  return plan.tree ? one * std::sqrt(tree_noise_nodes(plan.tree->restart_every)) : one;
}

// One example's share of noise and rounding is at most a hundredth of its clip.
double largest_noise(const SumPlan& plan) { return 1.01 * plan.noise_multiplier * plan.clip_norm; }

Grid grid_of(const ServerOptions& options) {
  if (options.example_sums)
    return choose_grid(
        {options.example_sums->range(), options.population, largest_noise(*options.example_sums)});
  if (!options.privacy) return choose_grid({options.update_range, options.total_weight, 0.0});
  const RoundPlan& plan = *options.privacy;
  return choose_grid({plan.largest_clip(), plan.clients * plan.weight_cap, largest_noise(plan)});
}

std::vector<int64_t> layer_ends(const FlatLayout& layout, int64_t upload_size) {
  std::vector<int64_t> ends;
  for (int64_t first = 0; first < upload_size; first += layout.size())
    for (const auto& part : layout.parts()) ends.push_back(first + part.first + part.size);
  return ends;
}

template <class Target>
void add(const GaussianNoise& noise, NoiseKind kind, Target& sum, RandomStream& stream) {
  if (kind == NoiseKind::secure) {
    noise.add_secure(sum, stream);
  } else {
    noise.add_fast(sum, stream);
  }
}

std::vector<double> divided(const UpdateSum& sum, double divisor) {
  std::vector<double> values(sum.sum().values().size());
  sum.sum().decode(std::span(values), 1.0 / divisor);
  return values;
}

void check_example_sums(const ServerOptions& options) {
  if (options.privacy) throw Error("example sums and client-level noise do not go together");
  if (!std::holds_alternative<MeanAggregation>(options.aggregation))
    throw Error("robust aggregation has no sensitivity that the noise on example sums is made for");
  if (options.noise == NoiseKind::secure)
    throw Error("secure noise needs each example's gradient on the grid");
}

}  // namespace

int64_t total_weight(const Strategy& strategy, const std::vector<int64_t>& sizes) {
  int64_t total = 0;
  for (const int64_t examples : sizes) total += strategy.weight(examples);
  return std::max<int64_t>(total, 1);
}

Server::Server(StateDict initial, std::unique_ptr<Strategy> strategy, const ServerOptions& options)
    : global_(clone(initial)),
      layout_(global_),
      strategy_(std::move(strategy)),
      options_(options),
      grid_(grid_of(options)),
      clip_norm_(options.privacy ? options.privacy->clip_norm : 0.0) {
  if (!all_finite(global_))
    throw Error("the initial model is not finite in " + first_non_finite(global_));
  if (options_.privacy) options_.privacy->validate();
  if (options_.privacy && !std::holds_alternative<MeanAggregation>(options_.aggregation))
    throw Error("robust aggregation has no sensitivity that client-level noise is made for");
  if (options_.example_sums) check_example_sums(options_);
  for (const auto& part : layout_.parts()) {
    const auto place = std::ranges::find(options_.places, part.name, &TensorPlace::name);
    kept_.push_back(strategy_->keeps_local(
        place == options_.places.end() ? TensorPlace{part.name, ""} : *place));
    if (kept_.back()) kept_size_ += part.size;
  }
}

SumRule Server::rule() const {
  SumRule rule;
  rule.grid = grid_;
  rule.size = strategy_->upload_size(layout_.size());
  if (!options_.privacy) return rule;
  rule.clipping = options_.clipping;
  rule.clip_norm = clip_norm_;
  if (rule.clipping == UpdateClipping::per_layer) rule.layer_ends = layer_ends(layout_, rule.size);
  return rule;
}

int64_t Server::weight_of(int64_t examples) const {
  if (options_.example_sums) return 1;
  const int64_t weight = strategy_->weight(examples);
  return options_.privacy ? std::min(weight, options_.privacy->weight_cap) : weight;
}

bool Server::sends_whole_upload() const {
  return kept_size_ == 0 || strategy_->distilling() != nullptr;
}

void Server::add_noise(UpdateSum& sum, int64_t round, const RandomKey& key) const {
  const RoundPlan& plan = *options_.privacy;
  const GaussianNoise noise(plan.sum_noise_multiplier(),
                            clip_norm_ * static_cast<double>(plan.weight_cap));
  const auto draw = [&](GridSum& to, StreamId id) {
    RandomStream stream(key, id);
    add(noise, options_.noise, to, stream);
  };
  if (plan.tree) {
    add_tree_noise(sum.sum(), *plan.tree, round, draw);
  } else {
    draw(sum.sum(), {Purpose::server_noise, -1, round});
  }
}

void Server::finish_example_sums(UpdateSum& sum, int64_t round, const RandomKey& key) {
  const SumPlan& plan = *options_.example_sums;
  const double divisor = plan.divisors.at(static_cast<size_t>(round));
  if (divisor == 0.0) return;  // nobody was scheduled
  const GaussianNoise noise(plan.noise_multiplier,
                            plan.sensitivity(layout_.size(), grid_.spacing()));
  RandomStream stream(key, {Purpose::server_noise, -1, round});
  add(noise, options_.noise, sum.sum(), stream);
  auto values = divided(sum, divisor);
  for (const auto& part : layout_.parts())
    if (part.buffer) std::fill_n(values.begin() + part.first, part.size, 0.0);
  apply(values, sum);
}

// The count's noise has standard deviation bit_noise_multiplier; one client moves the centred count
// by 1/2.
void Server::adapt_clip_norm(const UpdateSum& sum, int64_t round, const RandomKey& key) {
  const RoundPlan& plan = *options_.privacy;
  const AdaptiveClipPlan& adaptive = *plan.adaptive;
  const GaussianNoise noise(2.0 * adaptive.bit_noise_multiplier, 0.5);
  GridSum count(choose_grid({0.5, plan.clients, noise.standard_deviation()}), 1);
  const int64_t centred = 2 * sum.within() - sum.clients();  // halves
  count.mutable_values()[0] = centred * count.grid().radius;
  RandomStream stream(key, {Purpose::server_noise, -2, round});
  add(noise, options_.noise, count, stream);
  double noised = 0.0;
  count.decode(std::span(&noised, 1));
  const double share = noised * static_cast<double>(plan.weight_cap) / plan.divisor() + 0.5;
  clip_norm_ =
      std::clamp(clip_norm_ * std::exp(-adaptive.learning_rate * (share - adaptive.quantile)),
                 plan.smallest_clip(), plan.largest_clip());
}

std::vector<double> Server::mean_of(const UpdateSum& sum) const {
  const auto& plan = options_.privacy;
  const double divisor = plan ? plan->divisor() : static_cast<double>(sum.weight());
  return divided(sum, divisor);
}

void Server::apply(const std::vector<double>& values, const UpdateSum& sum) {
  const auto& plan = options_.privacy;
  MeanUpload mean;
  mean.values = values;
  mean.clients = plan ? 0 : sum.clients();
  mean.population = options_.population;
  if (plan) {
    mean.participation = plan->divisor() / static_cast<double>(plan->clients * plan->weight_cap);
    mean.noise_variance = std::pow(plan->noise_standard_deviation(clip_norm_) / plan->divisor(), 2);
  } else {
    mean.participation =
        static_cast<double>(sum.clients()) / static_cast<double>(options_.population);
  }
  std::vector<double> model(static_cast<size_t>(layout_.size()));
  layout_.read(global_, model);
  strategy_->apply(model, mean);
  StateDict next = clone(global_);
  layout_.write(model, next);
  if (!all_finite(next))
    throw Error("the global model would not be finite in " + first_non_finite(next) +
                "; lower the learning rates");
  global_ = std::move(next);
}

void Server::finish(Collector& collector, const RandomKey& key) {
  UpdateSum& sum = collector.sum();
  const int64_t round = collector.round();
  if (options_.privacy) {
    add_noise(sum, round, key);
    apply(mean_of(sum), sum);
    if (options_.privacy->adaptive) adapt_clip_norm(sum, round, key);
    return;
  }
  if (options_.example_sums) {
    if (collector.rejected() > 0)
      throw Error("a sum of example gradients was left out; its round is not released");
    finish_example_sums(sum, round, key);
    return;
  }
  if (sum.clients() == 0) return;
  if (std::holds_alternative<MeanAggregation>(options_.aggregation)) {
    apply(mean_of(sum), sum);
  } else if (sum.clients() < minimum_updates(options_.aggregation)) {
    log::warning("round " + std::to_string(round + 1) +
                 " is left out: " + to_string(options_.aggregation) + " needs " +
                 std::to_string(minimum_updates(options_.aggregation)) + " updates, and " +
                 std::to_string(sum.clients()) + " came in");
  } else {
    apply(aggregate(options_.aggregation, collector.uploads(), collector.trusted()), sum);
  }
}

void Server::restore(const StateDict& global, double clip_norm) {
  check_same_layout(global_, global, "the checkpoint");
  global_ = clone(global);
  clip_norm_ = clip_norm;
}

}  // namespace starling
