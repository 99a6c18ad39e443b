#include "experiment/parts.h"
#include "experiment/words.h"
#include "starling/core/error.h"

namespace starling::experiment {
namespace {

class Rules {
 public:
  Rules(const Experiment& experiment, const ExamplePrivacy& privacy, const std::string& source)
      : local_(experiment.local),
        weights_(std::get<FedAvgSpec>(experiment.strategy).weights),
        privacy_(privacy),
        per_client_(experiment.evaluation.per_client),
        source_(source) {}

  void check() const {
    if (privacy_.relation == Relation::add_remove) check_add_remove();
    if (local_.sampling == SamplingKind::fixed) check_fixed();
    if (per_client_ && !privacy_.reveal_private_metrics)
      fail("/evaluation/per_client",
           "true needs /privacy/reveal_private_metrics: accuracy on a client's own examples is "
           "private, and is written to a private file only");
  }

 private:
  // Under add_remove the number of a client's examples is itself private, so that nothing that
  // others see may depend on it.
  void check_add_remove() const {
    if (local_.sampling != SamplingKind::poisson)
      fail("/local/sampling", quoted(word(kSamplingKinds, local_.sampling)) +
                                  " gives no bound under relation \"add_remove\"; use \"poisson\"");
    if (!local_.sample_rate)
      fail("/local",
           "\"sample_rate\" is missing; under relation \"add_remove\" the number of "
           "examples is private, so rate, steps and batch_size are constants");
    if (weights_ == Weighting::examples)
      fail("/strategy/weights",
           "\"examples\" shows how many examples a client has, which relation \"add_remove\" "
           "protects; use \"uniform\"");
    if (!privacy_.delta)
      fail("/privacy",
           "\"delta\" is missing; its default depends on the number of examples, which "
           "relation \"add_remove\" protects");
  }

  void check_fixed() const {
    if (privacy_.relation != Relation::replace_one)
      fail("/local/sampling",
           "\"fixed\" is accounted under relation \"replace_one\" only, and "
           "relation is " +
               quoted(word(kRelations, privacy_.relation)));
    if (privacy_.accountant != "rdp")
      fail("/privacy/accountant",
           quoted(privacy_.accountant) + " does not take sampling \"fixed\"; use \"rdp\"");
  }

  [[noreturn]] void fail(const std::string& pointer, const std::string& problem) const {
    throw InputError(source_ + ": " + pointer, problem);
  }

  const LocalSpec& local_;
  Weighting weights_;
  const ExamplePrivacy& privacy_;
  bool per_client_;
  const std::string& source_;
};

}  // namespace

void check_rules(const Experiment& experiment, const std::string& source) {
  if (const auto* privacy = std::get_if<ExamplePrivacy>(&experiment.privacy))
    Rules(experiment, *privacy, source).check();
}

}  // namespace starling::experiment
