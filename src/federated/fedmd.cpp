#include "federated/answer_exchange.h"

namespace starling {
namespace {

class FedMd final : public AnswerExchange {
 public:
  FedMd(const FedMdSpec& spec, int64_t answers)
      : AnswerExchange(spec.weights, {.settings = spec.distillation,
                                      .answers = answers,
                                      .target_temperature = spec.temperature,
                                      .student_temperature = spec.temperature,
                                      .at_clients = true}) {}
  std::string name() const override { return "fedmd"; }
};

}  // namespace

std::unique_ptr<Strategy> fedmd(const FedMdSpec& spec, int64_t answers) {
  return std::make_unique<FedMd>(spec, answers);
}

}  // namespace starling
