#include "federated/personal_model.h"

#include "federated/local_correction.h"

namespace starling {

void train_personal(Model& model, const Client& client, const Server& server, ClientState& state,
                    ClientTask task) {
  const auto strength = server.strategy().personal_proximal();
  if (!strength) return;
  task.privacy.reset();
  task.key = task.key.derive("personal");
  task.initial_loss = false;
  task.local.correction = as_correction(model, server, {*strength, {}});
  const auto update = client.train(model, personal_state(server, state), task);
  state.personal.resize(static_cast<size_t>(server.layout().size()));
  server.layout().read(update.state, state.personal);
}

StateDict personal_state(const Server& server, const ClientState& state) {
  if (!server.strategy().personal_proximal() || state.personal.empty())
    return start_of(server, state);
  StateDict own = clone(server.global());
  server.layout().write(state.personal, own);
  return own;
}

}  // namespace starling
