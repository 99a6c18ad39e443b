#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/core/error.h"

namespace starling::experiment {
namespace {

[[noreturn]] void fail(const std::string& source, const std::string& pointer,
                       const std::string& problem) {
  throw InputError(source + ": " + pointer, problem);
}

// Of example-level privacy.
class ExampleRules {
 public:
  ExampleRules(const Experiment& experiment, const ExamplePrivacy& privacy,
               const std::string& source)
      : local_(experiment.local),
        weights_(weighting_of(experiment.strategy)),
        privacy_(privacy),
        both_(std::holds_alternative<BothPrivacy>(experiment.privacy)),
        source_(source) {}

  void check() const {
    if (privacy_.relation == Relation::add_remove) {
      check_add_remove();
      check_constants("relation \"add_remove\"");
    } else if (both_) {
      check_constants("unit \"both\"");
    }
    if (local_.sampling == SamplingKind::fixed) check_fixed();
  }

 private:
  void check_add_remove() const {
    if (local_.sampling != SamplingKind::poisson)
      fail(source_, "/local/sampling",
           quoted(word(kSamplingKinds, local_.sampling)) +
               " gives no bound under relation \"add_remove\"; use \"poisson\"");
    if (weights_ == Weighting::examples)
      fail(source_, "/strategy/weights",
           "\"examples\" shows how many examples a client has, which relation \"add_remove\" "
           "protects; use \"uniform\"");
  }

  // Where the number of a client's examples is itself private, nothing that others see, the ledger
  // above all, may depend on it.
  void check_constants(const std::string& reason) const {
    if (!local_.sample_rate)
      fail(source_, "/local",
           "\"sample_rate\" is missing; under " + reason +
               " the number of examples is private, so rate, steps and batch_size are constants");
    if (!privacy_.delta)
      fail(source_, both_ ? "/privacy/example" : "/privacy",
           "\"delta\" is missing; its default depends on the number of examples, which " + reason +
               " protects");
  }

  void check_fixed() const {
    if (privacy_.relation != Relation::replace_one)
      fail(source_, "/local/sampling",
           "\"fixed\" is accounted under relation \"replace_one\" only, and "
           "relation is " +
               quoted(word(kRelations, privacy_.relation)));
    if (privacy_.accountant != "rdp")
      fail(source_, "/privacy/accountant",
           quoted(privacy_.accountant) + " does not take sampling \"fixed\"; use \"rdp\"");
  }

  const LocalSpec& local_;
  Weighting weights_;
  const ExamplePrivacy& privacy_;
  bool both_;
  const std::string& source_;
};

// Of client-level privacy.
class ClientRules {
 public:
  ClientRules(const Experiment& experiment, const ClientPrivacy& privacy, const std::string& source)
      : participation_(experiment.participation),
        weights_(weighting_of(experiment.strategy)),
        privacy_(privacy),
        source_(source),
        place_(std::holds_alternative<BothPrivacy>(experiment.privacy) ? "/privacy/client"
                                                                       : "/privacy") {}

  void check() const {
    if (privacy_.adversary == Adversary::server_and_models)
      fail(source_, place_ + "/adversary",
           "\"server_and_models\" does not go with unit \"client\": the server sees each upload "
           "before it adds the noise; use \"every_global_model\" or \"final_model\"");
    check_weights();
    if (privacy_.release == ClientPrivacy::Release::tree) {
      check_tree();
    } else {
      check_cohorts();
    }
  }

 private:
  void check_weights() const {
    if (weights_ == Weighting::examples && !privacy_.weight_cap)
      fail(source_, "/strategy/weights",
           "\"examples\" lets one client weigh as much as it has examples; use \"uniform\", or "
           "bound it by " +
               place_ + "/weight_cap");
    if (weights_ == Weighting::uniform && privacy_.weight_cap)
      fail(source_, place_ + "/weight_cap", "goes with /strategy/weights \"examples\" only");
  }

  void check_tree() const {
    if (privacy_.relation != Relation::zero_out)
      fail(source_, place_ + "/relation",
           quoted(word(kRelations, privacy_.relation)) +
               " does not go with release \"tree\", whose schedule is public; use \"zero_out\"");
    if (privacy_.adaptive) fail(source_, place_ + "/adaptive", "does not go with release \"tree\"");
    if (!std::holds_alternative<FractionParticipation>(participation_.kind))
      fail(source_, "/participation/kind",
           "\"poisson\" does not go with release \"tree\", which bounds how often a client takes "
           "part; use \"fraction\"");
  }

  void check_cohorts() const {
    if (privacy_.restart_every)
      fail(source_, place_ + "/restart_every", "goes with release \"tree\" only");
    if (participation_.max_participations || participation_.min_separation > 0)
      fail(source_, "/participation",
           "\"max_participations\" and \"min_separation\" would make the secret cohorts of client-"
           "level privacy depend on one another; drop them, or use release \"tree\"");
    const auto* fraction = std::get_if<FractionParticipation>(&participation_.kind);
    if (fraction == nullptr || fraction->fraction == 1.0) return;
    if (privacy_.relation != Relation::replace_one || privacy_.accountant != "rdp")
      fail(source_, "/participation/fraction",
           "a cohort of fixed size is accounted under relation \"replace_one\" by accountant "
           "\"rdp\" only; use participation \"poisson\", or fraction 1");
  }

  const ParticipationSpec& participation_;
  Weighting weights_;
  const ClientPrivacy& privacy_;
  const std::string& source_;
  std::string place_;
};

void check_standardization(const Experiment& experiment, const std::string& source) {
  if (private_standardization(experiment.dataset) == nullptr) return;
  if (!std::holds_alternative<ExamplePrivacy>(experiment.privacy))
    fail(source, "/dataset/standardization/kind",
         "\"private\" bounds what one example changes in the sums of its client's columns, and so "
         "needs /privacy/unit \"example\": nothing bounds what a whole client changes");
  const auto* fedmd = std::get_if<FedMdSpec>(&experiment.strategy);
  if (fedmd != nullptr && fedmd->pretraining_epochs > 0)
    fail(
        source, "/strategy/pretraining_epochs",
        "trains before columns are standardised, which \"private\" does at the first round; use 0");
}

void check_both(const Experiment& experiment, const std::string& source) {
  const auto* both = std::get_if<BothPrivacy>(&experiment.privacy);
  if (both != nullptr && both->example.insecure_seed != both->client.insecure_seed)
    fail(source, "/privacy",
         "one run has one key: \"insecure_seed\" must be the same at both levels");
}

// Other noise than that of example gradients does not reach the local optimizer.
void check_noise_correction(const Experiment& experiment, const std::string& source) {
  if (!std::holds_alternative<AdamBcSpec>(experiment.local.optimizer)) return;
  if (example_level(experiment.privacy) == nullptr)
    fail(source, "/local/optimizer/kind",
         "\"adam_bc\" subtracts the variance of the noise on example gradients, and there is none "
         "without /privacy/unit \"example\" or \"both\"; use \"adam\"");
}

}  // namespace

void check_rules(const Experiment& experiment, const std::string& source) {
  if (const auto* privacy = example_level(experiment.privacy))
    ExampleRules(experiment, *privacy, source).check();
  if (const auto* privacy = client_level(experiment.privacy))
    ClientRules(experiment, *privacy, source).check();
  check_both(experiment, source);
  check_standardization(experiment, source);
  check_noise_correction(experiment, source);
  if (experiment.evaluation.per_client && !reveals_private_metrics(experiment.privacy))
    fail(source, "/evaluation/per_client",
         "true needs /privacy/reveal_private_metrics: accuracy on a client's own examples is "
         "private, and is written to a private file only");
  check_federation(experiment, source);
}

}  // namespace starling::experiment
