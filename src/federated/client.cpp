#include "starling/federated/client.h"

#include "starling/core/error.h"

namespace starling {

Client::Client(int64_t id, Examples data) : id_(id), data_(std::move(data)) {
  if (data_.size() < 1) throw Error("client " + std::to_string(id) + " has no examples");
  if (data_.features.size(0) != data_.size())
    throw Error("client " + std::to_string(id) + " has " + std::to_string(data_.features.size(0)) +
                " examples and " + std::to_string(data_.size()) + " labels");
}

ClientUpdate Client::train(Model& model, const StateDict& global, const ClientTask& task) const {
  load_state(model, global);
  const StreamOwner owner{task.key, id_, task.round};
  ClientUpdate update{id_, size(), {}, {}};
  if (task.privacy) {
    update.metrics = train_privately(model, data_, task.local, *task.privacy, owner);
  } else {
    update.metrics = starling::train(model, data_, task.local, owner);
  }
  update.state = state_of(model);
  return update;
}

}  // namespace starling
