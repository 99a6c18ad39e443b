#include "experiment/assemble.h"

#include "starling/core/error.h"

namespace starling::experiment {
namespace {

UpdateClipping update_clipping(ClippingKind kind) {
  switch (kind) {
    case ClippingKind::flat:
      return UpdateClipping::flat;
    case ClippingKind::per_layer:
      return UpdateClipping::per_layer;
    case ClippingKind::automatic:
      return UpdateClipping::automatic;
  }
  throw Error("unknown kind of clipping");
}

ServerOptions server_options(const Experiment& experiment, const Federation& federation,
                             const Strategy& strategy) {
  ServerOptions options;
  std::vector<int64_t> sizes;
  for (const auto& client : federation.plan.clients) sizes.push_back(client.examples);
  options.population = std::ssize(sizes);
  options.total_weight = total_weight(strategy, sizes);
  options.examples = std::move(sizes);
  options.aggregation = experiment.aggregation;
  options.places = places_of(*federation.factory());
  options.example_sums = federation.plan.sums;
  if (federation.plan.server) {
    const ClientPrivacy& privacy = *client_level(experiment.privacy);
    options.privacy = federation.plan.server->round;
    options.clipping = update_clipping(privacy.clipping);
    options.noise = privacy.noise;
  }
  return options;
}

std::vector<std::vector<double>> initial_values(const std::vector<DeviceGroup>& devices) {
  std::vector<std::vector<double>> all;
  for (const auto& device : devices) {
    const FlatLayout layout(device.initial);
    layout.read(device.initial, all.emplace_back(static_cast<size_t>(layout.size())));
  }
  return all;
}

}  // namespace

Server make_server(const Experiment& experiment, const Federation& federation) {
  auto strategy = make_strategy(experiment.strategy, federation.public_answers,
                                initial_values(federation.devices));
  const auto options = server_options(experiment, federation, *strategy);
  return {federation.initial, std::move(strategy), options};
}

Simulation make_simulation(const Experiment& experiment, Federation& federation, int64_t workers) {
  std::vector<Client> clients;
  for (size_t i = 0; i < federation.clients.size(); ++i)
    clients.emplace_back(static_cast<int64_t>(i), std::move(federation.clients[i]));
  Simulation simulation(federation.factory, std::move(clients), workers,
                        experiment.compute.threads_per_client);
  simulation.set_channel({experiment.attack, federation.attackers, experiment.communication,
                          RandomKey::from_seed(static_cast<uint64_t>(experiment.seed))});
  for (const auto& device : federation.devices)
    simulation.add_devices(device.factory, device.initial, device.clients);
  simulation.set_public(federation.public_examples.features);
  if (federation.root) simulation.set_root(*federation.root);
  return simulation;
}

}  // namespace starling::experiment
