#pragma once
#include "starling/federated/collector.h"
#include "starling/nn/model.h"

namespace starling {

// Where the strategy gives each client a model of its own (Ditto): trains it as `task` says, pulled
// toward the global one, and keeps it in `state.personal`. It never leaves the client.
void train_personal(Model& model, const Client& client, const Server& server, ClientState& state,
                    ClientTask task);

// The model that the client uses: its own, the global one with the parts it keeps, or the global.
StateDict personal_state(const Server& server, const ClientState& state);

}  // namespace starling
