#include "starling/experiment/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "experiment/plan_client.h"
#include "experiment/schedule.h"
#include "starling/core/error.h"
#include "starling/core/random.h"
#include "starling/privacy/calibrate.h"

namespace starling {
namespace {

constexpr int64_t kMostSteps = int64_t{1} << 53;

int64_t product(int64_t a, int64_t b, const std::string& place) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result) || result > kMostSteps)
    throw InputError(place, std::to_string(a) + " * " + std::to_string(b) +
                                " steps are more than 2^53; lower epochs, steps or rounds");
  return result;
}

int64_t steps_a_round(const LocalSpec& local, int64_t examples, const std::string& place) {
  if (local.steps) return *local.steps;
  return product(*local.epochs, (examples + local.batch_size - 1) / local.batch_size, place);
}

DpSgdPlan dp_sgd_plan(const Experiment& experiment, const ExamplePrivacy& privacy, int64_t examples,
                      const std::string& source) {
  PlanOptions options;
  options.sampling = experiment.local.sampling;
  options.relation = privacy.relation;
  options.batch_size = experiment.local.batch_size;
  options.sample_rate = experiment.local.sample_rate;
  options.clip_norm = privacy.clip_norm;
  options.noise_multiplier = privacy.noise_multiplier.value_or(0.0);
  return plan(options, examples, source + ": /local");
}

int64_t cohort_of(double fraction, int64_t clients) {
  return std::max<int64_t>(1, std::llround(fraction * static_cast<double>(clients)));
}

// Clients of equal size and participation share one calibration.
class Calibration {
 public:
  Calibration(const Accountant& accountant, const PrivacyTarget& target)
      : accountant_(accountant), target_(target) {}

  // Of its steps alone: the noise of what it releases before is given.
  double noise_for(const ClientPlan& client) {
    const auto spent = [&](double noise_multiplier) {
      ClientPlan with_noise = client;
      with_noise.privacy->noise_multiplier = noise_multiplier;
      return spent_after(with_noise, client.rounds);
    };
    const auto [entry, is_new] = known_.try_emplace(to_json(spent(1.0)).dump(), 0.0);
    if (is_new) entry->second = calibrate_noise_multiplier(accountant_, target_, spent);
    return entry->second;
  }

 private:
  const Accountant& accountant_;
  PrivacyTarget target_;
  std::map<std::string, double> known_;
};

// A mechanism that publishes one of n examples at random is (0, 1 / n)-private.
std::optional<std::string> warning_of_delta(const FederationPlan& plan, Relation relation) {
  if (relation == Relation::add_remove) return std::nullopt;  // n is private
  const auto largest = std::max_element(
      plan.clients.begin(), plan.clients.end(),
      [](const ClientPlan& a, const ClientPlan& b) { return a.examples < b.examples; });
  if (largest == plan.clients.end() || plan.delta * static_cast<double>(largest->examples) < 1.0)
    return std::nullopt;
  return "delta " + number_text(plan.delta) + " is NOT below 1 / n for the " +
         std::to_string(largest->examples) + " examples of client " +
         std::to_string(largest->client) +
         ": so large a delta allows that single examples are published as they are; set " +
         "/privacy/delta to " + number_text(default_delta(largest->examples)) + " or less";
}

// One noise for all: the largest that any client needs.
void share_noise(FederationPlan& plan, const std::string& source) {
  SumPlan sums;
  for (const auto& client : plan.clients) {
    if (client.examples > SumPlan::kMostExamples)
      throw InputError(source + ": /strategy/noise_by",
                       "\"server\" takes clients of at most " +
                           std::to_string(SumPlan::kMostExamples) + " examples; client " +
                           std::to_string(client.client) + " has more");
    sums.clip_norm = client.privacy->clip_norm;
    if (client.rounds > 0)
      sums.noise_multiplier = std::max(sums.noise_multiplier, client.privacy->noise_multiplier);
  }
  for (auto& client : plan.clients) client.privacy->noise_multiplier = sums.noise_multiplier;
  for (const auto& round : plan.schedule) {
    double expected = 0.0;
    for (const int64_t client : round)
      expected += plan.clients[static_cast<size_t>(client)].privacy->divisor();
    sums.divisors.push_back(expected);
  }
  plan.sums = sums;
}

void plan_example_level(FederationPlan& plan, const Experiment& experiment,
                        const ExamplePrivacy& privacy, const std::string& source) {
  int64_t smallest = std::numeric_limits<int64_t>::max();
  for (const auto& client : plan.clients) smallest = std::min(smallest, client.examples);
  plan.delta = privacy.delta.value_or(default_delta(smallest));
  plan.warning = warning_of_delta(plan, privacy.relation);

  const auto accountant = make_accountant(privacy.accountant);
  Calibration calibration(*accountant, {privacy.epsilon.value_or(0.0), plan.delta});
  for (auto& client : plan.clients) {
    client.privacy = dp_sgd_plan(experiment, privacy, client.examples, source);
    if (plan.standardization) client.first = plan.standardization->event();
    if (privacy.epsilon && client.rounds > 0)
      client.privacy->noise_multiplier = calibration.noise_for(client);
  }
  if (server_adds_example_noise(experiment.strategy)) share_noise(plan, source);
  SpentPrivacy spent(plan, *accountant);
  for (auto& client : plan.clients) {
    client.epsilon = spent.epsilon_after(client.client, client.rounds);
    plan.epsilon = std::max(plan.epsilon, client.epsilon);
  }
}

ColumnSumsPlan column_sums_plan(const PrivateStandardization& standardization,
                                const PrivacySpec& privacy,
                                const std::vector<bool>& takes_missing) {
  const auto* example = std::get_if<ExamplePrivacy>(&privacy);
  if (example == nullptr)
    throw Error("columns are standardised privately under example-level privacy alone");
  ColumnSumsPlan plan{takes_missing, example->relation, standardization.noise_multiplier};
  plan.validate();
  return plan;
}

// Secret where the accounting counts on the sampling of clients.
bool has_secret_cohorts(const Experiment& experiment) {
  const auto* client = client_level(experiment.privacy);
  if (client == nullptr || client->release == ClientPrivacy::Release::tree) return false;
  const auto* fraction = std::get_if<FractionParticipation>(&experiment.participation.kind);
  return fraction == nullptr || fraction->fraction < 1.0;
}

// Over-selection invites more than a round waits for.
ParticipationSpec invitations(const Experiment& experiment, int64_t clients) {
  ParticipationSpec spec = experiment.participation;
  auto* fraction = std::get_if<FractionParticipation>(&spec.kind);
  if (fraction == nullptr || experiment.world.over_selection == 1.0) return spec;
  const World world(experiment.world, {});
  const int64_t invited = world.invitations(cohort_of(fraction->fraction, clients), clients);
  fraction->fraction = static_cast<double>(invited) / static_cast<double>(clients);
  return spec;
}

void schedule_async(FederationPlan& plan, const Experiment& experiment, const FedBuffSpec& spec,
                    const RandomKey& key) {
  plan.async = draw_async_schedule(spec, World(experiment.world, key), std::ssize(plan.clients),
                                   experiment.rounds, key);
  for (const auto& round : plan.async) {
    std::vector<int64_t> clients;
    for (const auto& job : round.jobs) clients.push_back(job.client);
    std::ranges::sort(clients);
    plan.schedule.push_back(std::move(clients));
  }
}

void schedule_rounds(FederationPlan& plan, const Experiment& experiment) {
  plan.rounds = experiment.rounds;
  if (has_secret_cohorts(experiment)) {
    for (auto& client : plan.clients) client.rounds = plan.rounds;
    return;
  }
  const auto key = RandomKey::from_seed(static_cast<uint64_t>(experiment.seed));
  const auto clients = std::ssize(plan.clients);
  if (const auto* fedbuff = std::get_if<FedBuffSpec>(&experiment.strategy)) {
    schedule_async(plan, experiment, *fedbuff, key);
  } else {
    plan.schedule = experiment::draw_schedule(invitations(experiment, clients), clients,
                                              experiment.rounds, key);
  }
  plan.rounds = std::ssize(plan.schedule);
  for (const auto& round : plan.schedule)
    for (const int64_t client : round) ++plan.clients[static_cast<size_t>(client)].rounds;
}

}  // namespace

int64_t wanted_clients(const Experiment& experiment, int64_t invited) {
  if (experiment.world.over_selection == 1.0) return invited;
  return std::llround(static_cast<double>(invited) / experiment.world.over_selection);
}

bool sizes_are_public(const Experiment& experiment) {
  const auto* example = example_level(experiment.privacy);
  return client_level(experiment.privacy) == nullptr &&
         (example == nullptr || example->relation != Relation::add_remove);
}

Composition spent_by_server(const RoundPlan& plan, int64_t rounds) {
  Composition composition;
  composition.relation = plan.relation;
  Event event = plan.event();
  event.count =
      plan.tree ? (rounds + plan.tree->restart_every - 1) / plan.tree->restart_every : rounds;
  if (event.count > 0) composition.events.push_back(event);
  return composition;
}

Composition spent_after(const ClientPlan& plan, int64_t rounds) {
  Composition composition;
  if (!plan.privacy) throw Error("a client without a privacy plan has no epsilon");
  composition.relation = plan.privacy->relation;
  if (plan.first) composition.events.push_back(*plan.first);
  Event event = plan.privacy->event(1);
  event.count = plan.privacy->releases(plan.steps) * rounds;
  if (event.count > 0) composition.events.push_back(event);
  return composition;
}

FederationPlan plan_federation(const Experiment& experiment, const std::vector<int64_t>& sizes,
                               const std::string& source, const std::vector<bool>& takes_missing) {
  FederationPlan plan;
  plan.insecure_seed = insecure_seed(experiment.privacy).has_value();
  if (const auto* standardization = private_standardization(experiment.dataset))
    plan.standardization = column_sums_plan(*standardization, experiment.privacy, takes_missing);
  for (size_t i = 0; i < sizes.size(); ++i) {
    ClientPlan client;
    client.client = static_cast<int64_t>(i);
    client.examples = sizes[i];
    client.steps = steps_a_round(experiment.local, sizes[i], source + ": /local");
    product(client.steps, experiment.rounds, source + ": /rounds");
    plan.clients.push_back(client);
  }
  schedule_rounds(plan, experiment);
  if (const auto* privacy = example_level(experiment.privacy))
    plan_example_level(plan, experiment, *privacy, source);
  if (const auto* privacy = client_level(experiment.privacy))
    experiment::plan_client_level(plan, experiment, *privacy, source);
  return plan;
}

SpentPrivacy::SpentPrivacy(const FederationPlan& plan, const Accountant& accountant)
    : plan_(plan), accountant_(accountant), rounds_(plan.clients.size(), 0) {}

double SpentPrivacy::epsilon_after(int64_t client, int64_t rounds) {
  const Composition composition = spent_after(plan_.clients.at(client), rounds);
  if (composition.events.empty()) return 0.0;
  const auto [entry, is_new] = known_.try_emplace(to_json(composition).dump(), 0.0);
  if (is_new)
    entry->second =
        accountant_.epsilon(composition.events, composition.relation, plan_.delta).epsilon;
  return entry->second;
}

double SpentPrivacy::largest() {
  double largest = 0.0;
  for (size_t client = 0; client < rounds_.size(); ++client)
    largest = std::max(largest, epsilon_after(static_cast<int64_t>(client), rounds_[client]));
  return largest;
}

}  // namespace starling
