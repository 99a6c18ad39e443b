#include "starling/train/random_layers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <mutex>
#include <optional>

namespace starling {

namespace {

void seed_cpu(RandomStream& stream) {
  at::mt19937_data_pod state{};
  for (auto& word : state.state_) word = static_cast<uint32_t>(stream.next());
  state.left_ = 1;
  state.seeded_ = true;
  at::mt19937 engine;
  engine.set_data(state);

  auto generator = at::globalContext().defaultGenerator(at::kCPU);
  const std::lock_guard lock(generator.mutex());
  auto* native = at::check_generator<at::CPUGeneratorImpl>(generator);
  native->set_engine(engine);
  native->set_next_float_normal_sample(std::nullopt);
  native->set_next_double_normal_sample(std::nullopt);
}

}  // namespace

void seed_random_layers(const StreamOwner& owner, c10::Device device) {
  RandomStream stream(owner.key, {Purpose::dropout, owner.client, owner.round});
  seed_cpu(stream);
  if (device.is_cpu()) return;
  auto generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(stream.next());
}

}  // namespace starling
