#include "federated/answer_exchange.h"

namespace starling {
namespace {

class DsFl final : public AnswerExchange {
 public:
  DsFl(const DsFlSpec& spec, int64_t answers)
      : AnswerExchange(spec.weights, {.settings = spec.distillation,
                                      .answers = answers,
                                      .probabilities = true,
                                      .target_temperature = spec.temperature,
                                      .at_clients = true}) {}
  std::string name() const override { return "dsfl"; }
};

}  // namespace

std::unique_ptr<Strategy> dsfl(const DsFlSpec& spec, int64_t answers) {
  return std::make_unique<DsFl>(spec, answers);
}

}  // namespace starling
