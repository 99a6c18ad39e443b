#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/privacy_answer.h"
#include "report/sections.h"
#include "starling/core/json.h"
#include "starling/experiment/experiment.h"
#include "starling/experiment/run.h"
#include "starling/privacy/event_json.h"

namespace starling::cli {
namespace {

constexpr size_t kClientsShown = 20;

cxxopts::Options options() {
  cxxopts::Options options("starling check",
                           "Validates an experiment and prints its plan; trains nothing.\n"
                           "  starling check experiments/quickstart.json --set /rounds=30\n"
                           "  starling check models/lstm_text.json --gradients"
                           " --set /dataset/name=phrases\n");
  options.custom_help("[flags]")
      .positional_help("EXPERIMENT.json|MODEL.json")
      .set_width(kHelpColumns);
  options.add_options()  //
      ("file", "the experiment, or a model on the examples of /dataset/name, by default digits",
       cxxopts::value<std::string>())  //
      ("set", "replaces one value of the file; may be repeated",
       cxxopts::value<std::vector<std::string>>(), "/POINTER=VALUE")  //
      ("data", "where data sets lie; looked into before STARLING_DATA and datasets/",
       cxxopts::value<std::string>(), "DIR")                                   //
      ("probe", "check on synthetic inputs that the model mixes no examples")  //
      ("gradients", "compare the model's gradients with central differences")(
          "resolved", "print the experiment with every default filled, as JSON")  //
      ("h,help", "this text");
  options.parse_positional({"file"});
  return options;
}

// Upward, so that what is printed is never below what holds.
double four_digits_up(double epsilon) { return std::ceil(epsilon * 1e4) / 1e4; }

std::string examples_text(int64_t examples, bool is_public) {
  return is_public ? std::to_string(examples) : "private";
}

void print_clients(const std::vector<ClientPlan>& clients, bool sizes_public) {
  std::printf("  %6s  %8s  %11s  %6s", "client", "examples", "steps/round", "rounds");
  const bool is_private = !clients.empty() && clients.front().privacy.has_value();
  if (is_private) std::printf("  %11s  %10s  %8s", "sample rate", "noise mult", "epsilon");
  std::printf("\n");
  for (size_t i = 0; i < std::min(clients.size(), kClientsShown); ++i) {
    const auto& client = clients[i];
    std::printf("  %6ld  %8s  %11ld  %6ld", static_cast<long>(client.client),
                examples_text(client.examples, sizes_public).c_str(),
                static_cast<long>(client.steps), static_cast<long>(client.rounds));
    if (client.privacy)
      std::printf("  %11.5g  %10.5g  %8.4f", client.privacy->sample_rate,
                  client.privacy->noise_multiplier, four_digits_up(client.epsilon));
    std::printf("\n");
  }
  if (clients.size() > kClientsShown)
    std::printf("  ... and %zu more\n", clients.size() - kClientsShown);
}

// "for one example": what a level protects.
void print_level(const PrivacyTerms& privacy, const std::string& unit, double epsilon,
                 double delta) {
  std::printf("privacy    %sepsilon %s at delta %s for one %s (%s), by the %s accountant\n",
              privacy.insecure_seed ? "INSECURE SEED: NO DP GUARANTEE; accounted " : "",
              rounded_up(epsilon).c_str(), number_text(delta).c_str(), unit.c_str(),
              to_string(privacy.relation).c_str(), privacy.accountant.c_str());
  if (privacy.epsilon)
    std::printf("           target epsilon %s: the noise is calibrated to it\n",
                number_text(*privacy.epsilon).c_str());
  if (const auto weak = report::complaint_about_epsilon(epsilon); !weak.empty())
    std::printf("           %s\n", weak.c_str());
}

// What the release that standardises columns would cost by itself.
void print_standardization(const PrivacyTerms& privacy, const FederationPlan& plan) {
  const auto& sums = *plan.standardization;
  const auto spent = make_accountant(privacy.accountant)
                         ->epsilon(std::vector<Event>{sums.event()}, sums.relation, plan.delta);
  std::printf(
      "           counts the sums that standardise %zu columns: noise multiplier %s on "
      "each client's, epsilon %s by itself\n",
      sums.takes_missing.size(), number_text(sums.noise_multiplier).c_str(),
      rounded_up(spent.epsilon).c_str());
}

void print_privacy(const Experiment& experiment, const FederationPlan& plan) {
  if (!is_private(experiment.privacy))
    std::printf("privacy    NO DP GUARANTEE: privacy.unit is \"none\"\n");
  if (const auto* privacy = example_level(experiment.privacy)) {
    print_level(*privacy, "example", plan.epsilon, plan.delta);
    if (plan.standardization) print_standardization(*privacy, plan);
  }
  if (const auto* privacy = client_level(experiment.privacy)) {
    print_level(*privacy, "client", plan.server->epsilon, plan.server->delta);
    std::printf("           noise multiplier %.5g, %s cohorts, sums divided by %s\n",
                plan.server->round.noise_multiplier,
                to_string(plan.server->round.cohort_kind).c_str(),
                number_text(plan.server->round.divisor()).c_str());
  }
  if (plan.warning) std::printf("           WARNING: %s\n", plan.warning->c_str());
}

void print_plan(const Experiment& experiment, const Federation& federation) {
  const auto& plan = federation.plan;
  std::printf("experiment %s\n", experiment.name.c_str());
  const bool sizes_public = sizes_are_public(experiment);
  std::printf("data       %s: %s training and %ld test examples\n", experiment.dataset.name.c_str(),
              examples_text(federation.train_examples, sizes_public).c_str(),
              static_cast<long>(federation.test.size()));
  std::printf("model      %ld trainable parameters\n", static_cast<long>(federation.parameters));
  std::printf("rounds     %ld of %ld\n", static_cast<long>(plan.rounds),
              static_cast<long>(experiment.rounds));
  print_privacy(experiment, plan);
  std::printf("clients    %zu\n", plan.clients.size());
  if (!plan.server || plan.clients.front().privacy) print_clients(plan.clients, sizes_public);
}

bool is_model(const Json& json) {
  return json.is_object() && json.contains("layers") && !json.contains("model");
}

// A model's file stands for the smallest experiment with that model.
Experiment experiment_around(const std::string& model, const std::vector<std::string>& overrides) {
  Json json = Json::object({{"name", "model"}, {"model", {{"file", model}}}});
  apply_overrides(json, overrides);
  return parse_experiment(json, model);
}

void print_model(const Experiment& experiment, const Federation& federation) {
  std::printf("model      %s: %ld trainable parameters on the examples of %s\n",
              experiment.model.file.c_str(), static_cast<long>(federation.parameters),
              experiment.dataset.name.c_str());
}

void print_probe(const ProbeReport& report) {
  std::printf(
      "probe      no example touches another; %ld gradient norms agree with one example at a "
      "time to %.1e\n",
      static_cast<long>(report.examples), report.norm_error);
  for (const auto& operation : report.without_rule)
    std::printf("           no rule of its own, hence slower, though exact: %s\n",
                operation.c_str());
}

void print_gradients(const GradientCheck& report) {
  std::printf("gradients  %ld derivatives agree with central differences to %.1e, in float64\n",
              static_cast<long>(report.compared), report.error);
  if (report.kinks > 0)
    std::printf("           left out, the loss having a corner there: %ld\n",
                static_cast<long>(report.kinks));
}

}  // namespace

int check_command(int argc, char** argv) {
  auto known = options();
  const auto given = parse(known, argc, argv);
  if (given.count("help") != 0) {
    std::cout << known.help();
    return 0;
  }
  if (given.count("file") == 0) throw InputError("starling check needs an experiment file");
  const auto file = given["file"].as<std::string>();
  const bool model_alone = is_model(read_json(file));
  const Experiment experiment = model_alone ? experiment_around(file, overrides_of(given))
                                            : load_experiment(file, overrides_of(given));
  RunOptions run_options;
  run_options.source = file;
  run_options.data_folder = text_of(given, "data");
  const Federation federation = set_up(experiment, run_options);
  if (given.count("resolved") != 0) {
    std::cout << to_json(experiment).dump(2) << "\n";
    return 0;
  }
  model_alone ? print_model(experiment, federation) : print_plan(experiment, federation);
  if (given.count("probe") != 0) print_probe(probe_model(federation, file));
  if (given.count("gradients") != 0) print_gradients(check_model_gradients(federation, file));
  return 0;
}

}  // namespace starling::cli
