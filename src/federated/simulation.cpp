#include "starling/federated/simulation.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "federated/local_correction.h"
#include "federated/personal_model.h"
#include "federated/public_set.h"
#include "federated/shares.h"
#include "starling/core/error.h"

namespace starling {
namespace {

// Of clients that failed alone.
class Failures {
 public:
  explicit Failures(bool may_tell) : may_tell_(may_tell) {}

  void add(int64_t client, const std::exception& problem) {
    const std::lock_guard lock(mutex_);
    if (may_tell_)
      warnings_.push_back("client " + std::to_string(client) + " failed: " + problem.what());
    ++count_;
    if (first_ < 0 || client < first_) {
      first_ = client;
      message_ = problem.what();
    }
  }
  int64_t count() const { return count_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Those of every rank; the text only where more than `allowed` failed.
  void sum_over(Ranks& ranks, int64_t allowed) {
    ranks.sum({&count_, 1});
    if (count_ <= allowed) return;
    for (const auto& theirs : ranks.gather(std::to_string(first_) + " " + message_)) {
      const int64_t first = std::stoll(theirs);
      if (first < 0 || (first_ >= 0 && first >= first_)) continue;
      first_ = first;
      message_ = theirs.substr(theirs.find(' ') + 1);
    }
  }
  void refuse_beyond(int64_t allowed, int64_t participants) const {
    if (count_ <= allowed) return;
    throw Error((count_ == participants ? "every client" : std::to_string(count_) + " clients") +
                " of the round failed; client " + std::to_string(first_) + ": " + message_);
  }

 private:
  bool may_tell_;
  std::vector<std::string> warnings_;
  std::mutex mutex_;
  int64_t count_ = 0;
  int64_t first_ = -1;
  std::string message_;
};

Evaluation total_of(const std::vector<Evaluation>& parts) {
  Evaluation total;
  for (const auto& part : parts) total += part;
  return total;
}

}  // namespace

// What one rank does in a round.
struct Simulation::Share {
  explicit Share(bool may_tell) : failures(may_tell) {}

  int64_t round = 0;
  std::vector<int64_t> ids;           // of the whole round, longest first
  std::vector<size_t> places;         // of this rank's clients in `ids`
  std::vector<LocalMetrics> metrics;  // by place
  Failures failures;
  std::optional<Collector> collector;  // of this rank's clients, after training

  std::vector<int64_t> own_ids() const {
    std::vector<int64_t> own;
    for (const size_t place : places) own.push_back(ids[place]);
    return own;
  }
};

Simulation::Simulation(const ModelFactory& factory, std::vector<Client> clients, int64_t workers,
                       int64_t threads_per_client)
    : clients_(std::move(clients)),
      states_(clients_.size()),
      threads_per_client_(threads_per_client) {
  for (int64_t i = 0; i < std::max<int64_t>(workers, 1); ++i) replicas_.push_back(factory());
}

Simulation::~Simulation() = default;

void Simulation::add_devices(const ModelFactory& factory, const StateDict& initial,
                             int64_t clients) {
  if (std::ssize(client_devices_) + clients > std::ssize(clients_))
    throw Error("devices for more than the " + std::to_string(clients_.size()) + " clients");
  Device device{{}, clone(initial), FlatLayout(initial)};
  for (size_t i = 0; i < replicas_.size(); ++i) device.replicas.push_back(factory());
  client_devices_.insert(client_devices_.end(), static_cast<size_t>(clients), devices_.size());
  devices_.push_back(std::move(device));
}

std::optional<size_t> Simulation::device_of(int64_t client) const {
  const auto id = static_cast<size_t>(client);
  return id < client_devices_.size() ? std::optional(client_devices_[id]) : std::nullopt;
}

StateDict Simulation::Device::with(std::span<const double> values) const {
  StateDict model = clone(initial);
  if (!values.empty()) layout.write(values, model);
  return model;
}

StateDict Simulation::device_start(const Server& server, size_t device,
                                   const ClientState& state) const {
  const auto models = server.strategy().device_models();
  return devices_[device].with(models.empty() ? state.personal : models[device]);
}

std::vector<StateDict> Simulation::device_models(const Server& server) const {
  std::vector<StateDict> models;
  for (size_t i = 0; i < server.strategy().device_models().size(); ++i)
    models.push_back(device_start(server, i, {}));
  return models;
}

void Simulation::on_workers(int64_t jobs,
                            const std::function<void(Model&, size_t, int64_t)>& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](size_t worker) {
    at::set_num_threads(static_cast<int>(threads_per_client_));
    for (int64_t job = next++; job < jobs; job = next++) {
      try {
        work(*replicas_[worker], worker, job);
      } catch (...) {
        const std::lock_guard lock(failing);
        if (!failure) failure = std::current_exception();
        next = jobs;
      }
    }
  };
  std::vector<std::thread> helpers;
  const auto useful = std::min<size_t>(static_cast<size_t>(jobs), replicas_.size());
  for (size_t worker = 1; worker < useful; ++worker) helpers.emplace_back(run, worker);
  run(0);
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

// Where clients distil, they learn the consensus before they train; what their models answer then
// is part of the upload.
ClientUpdate Simulation::train_client(Model& model, const Client& client, const Server& server,
                                      const StateDict& start, const ClientTask& task) const {
  const Distilling* distilling = server.strategy().distilling();
  if (distilling == nullptr) return client.train(model, start, task);
  StateDict digested = start;
  if (distilling->at_clients) {
    load_state(model, start);
    learn_consensus(model, public_, server.strategy(),
                    {task.key.derive("digest"), client.id(), task.round});
    digested = state_of(model);
  }
  auto update = client.train(model, digested, task);
  update.answers = answers_of(
      model, public_in_turn(public_, *distilling, server.strategy().consensuses()), *distilling);
  return update;
}

ClientUpdate Simulation::train_on_device(size_t device, size_t worker, const Client& client,
                                         const Server& server, const ClientTask& task) const {
  const auto start = device_start(server, device, states_[static_cast<size_t>(client.id())]);
  auto update = train_client(*devices_[device].replicas[worker], client, server, start, task);
  update.device = device;
  if (server.strategy().device_models().empty()) return update;
  const auto& layout = devices_[device].layout;
  update.device_update.resize(static_cast<size_t>(layout.size()));
  layout.read_difference(update.state, start, update.device_update);
  return update;
}

// The global models, students of the clients' mean answers: the server's and those of devices.
void Simulation::distil_global(Server& server, int64_t round, const RandomKey& key) {
  Strategy& strategy = server.strategy();
  if (strategy.consensus().empty()) return;
  std::vector<StateDict> distilled(1 + strategy.device_models().size());
  on_workers(std::ssize(distilled), [&](Model& own, size_t worker, int64_t job) {
    const auto device = static_cast<size_t>(job) - 1;
    Model& model = job == 0 ? own : *devices_[device].replicas[worker];
    load_state(model, job == 0 ? server.global() : device_start(server, device, {}));
    learn_consensus(model, public_, strategy, {key.derive("distillation"), -1 - job, round});
    distilled[static_cast<size_t>(job)] = state_of(model);
  });
  for (const auto& state : distilled)
    if (!all_finite(state))
      throw Error("the distilled model would not be finite in " + first_non_finite(state) +
                  "; lower the learning rate of strategy.distillation");
  server.restore(distilled[0], server.clip_norm());
  for (size_t device = 0; device + 1 < distilled.size(); ++device) {
    std::vector<double> values(static_cast<size_t>(devices_[device].layout.size()));
    devices_[device].layout.read(distilled[device + 1], values);
    strategy.set_device_model(device, std::move(values));
  }
}

// A client that keeps its whole model is sent one the first time.
int64_t Simulation::bytes_down(const Server& server,
                               const std::vector<int64_t>& participants) const {
  const Strategy& strategy = server.strategy();
  const int64_t kept = server.kept_size();
  const bool whole_model_kept = strategy.distilling() != nullptr && kept == server.layout().size();
  int64_t values = 0;
  for (const int64_t client : participants) {
    const auto device = device_of(client);
    const int64_t size = (device ? devices_[*device].layout : server.layout()).size();
    values += strategy.download_size(whole_model_kept ? 0 : size - kept);
    if (whole_model_kept && states_[static_cast<size_t>(client)].personal.empty()) values += size;
  }
  return download_bytes(values);
}

// One sum for each worker.
void Simulation::train(Share& share, const Server& server,
                       const std::function<ClientTask(int64_t)>& task) {
  std::vector<Collector> collectors;
  const auto workers = std::min(share.places.size(), replicas_.size());
  for (size_t i = 0; i < std::max<size_t>(1, workers); ++i)
    collectors.emplace_back(server, share.round, channel_).expect(share.ids);
  on_workers(std::ssize(share.places), [&](Model& model, size_t worker, int64_t job) {
    const size_t place = share.places[job];
    const Client& client = clients_[share.ids[place]];
    ClientState& state = states_[share.ids[place]];
    try {
      ClientTask work = task(client.id());
      work.initial_loss = server.strategy().wants_initial_loss();
      work.local.correction = local_correction(model, server, state);
      const StateDict& global = work.start ? *work.start : server.global();
      const auto device = device_of(client.id());
      const auto update = device
                              ? train_on_device(*device, worker, client, server, work)
                              : train_client(model, client, server,
                                             work.start ? global : start_of(server, state), work);
      share.metrics[place] = update.metrics;
      if (!collectors[worker].add(update, state, global)) return;
      if (!device) {
        train_personal(model, client, server, state, work);
      } else if (server.strategy().device_models().empty()) {
        const auto& layout = devices_[*device].layout;
        state.personal.resize(static_cast<size_t>(layout.size()));
        layout.read(update.state, state.personal);
      }
    } catch (const std::exception& problem) {
      share.failures.add(client.id(), problem);
    }
  });
  for (size_t i = 1; i < collectors.size(); ++i) collectors[0].merge(std::move(collectors[i]));
  share.collector.emplace(std::move(collectors[0]));
}

RoundOutcome Simulation::round(Server& server, int64_t round,
                               const std::vector<int64_t>& participants,
                               const std::function<ClientTask(int64_t)>& task,
                               const RandomKey& key) {
  Share share(!server.options().privacy);  // who takes part may be secret
  share.round = round;
  share.ids = longest_first(participants, clients_);
  share.places = places_of_rank(*ranks_, share.ids, clients_);
  share.metrics.resize(share.ids.size());
  RoundOutcome outcome;
  outcome.bytes_down = bytes_down(server, share.ids);
  together(*ranks_, [&] { train(share, server, task); });

  const auto count = std::ssize(share.ids);
  // One example can make a client fail, and would remove all the others from the sum.
  const int64_t allowed = server.options().example_sums ? 0 : std::max<int64_t>(count - 1, 0);
  Collector& collector = *share.collector;
  log_warnings(*ranks_, share.failures.warnings());
  log_warnings(*ranks_, collector.warnings());
  share.failures.sum_over(*ranks_, allowed);
  collector.sum_over(*ranks_);
  share_metrics(*ranks_, share.metrics);
  share_states(*ranks_, share.own_ids(), states_);
  outcome.used = collector.sum().clients();
  outcome.rejected = collector.rejected();
  outcome.failed = share.failures.count();
  outcome.bytes_up = collector.bytes_up();
  for (const auto& one : share.metrics) outcome.metrics += one;
  together(*ranks_, [&] {
    share.failures.refuse_beyond(allowed, count);
    if (root_) collector.trust(root_->train(*replicas_[0], server.global(), task(-1)));
    server.finish(collector, key);
    if (outcome.used > 0 || server.options().privacy) distil_global(server, round, key);
  });
  return outcome;
}

std::vector<Evaluation> Simulation::slices_of(const StateDict& state, const Examples& data,
                                              int64_t batch_size, int64_t first, int64_t step) {
  for (auto& replica : replicas_) load_state(*replica, state);
  const int64_t slices = (data.size() + batch_size - 1) / batch_size;
  std::vector<Evaluation> parts(slices);
  on_workers((slices - first + step - 1) / step, [&](Model& model, size_t, int64_t job) {
    const int64_t slice = first + job * step;
    const int64_t begin = slice * batch_size;
    const int64_t end = std::min(begin + batch_size, data.size());
    const Examples part{data.features.slice(0, begin, end), data.labels.slice(0, begin, end)};
    parts[slice] = starling::evaluate(model, part, batch_size);
  });
  return parts;
}

Evaluation Simulation::evaluate(const StateDict& state, const Examples& data, int64_t batch_size) {
  auto parts = together(
      *ranks_, [&] { return slices_of(state, data, batch_size, ranks_->rank(), ranks_->size()); });
  share_evaluations(*ranks_, parts);
  return total_of(parts);
}

// The model that the client would use, on its own examples.
Evaluation Simulation::evaluate_own(const Server& server, int64_t client, int64_t batch_size) {
  const ClientState& state = states_[static_cast<size_t>(client)];
  const Examples& data = clients_[static_cast<size_t>(client)].data();
  if (const auto device = device_of(client)) {
    Model& model = *devices_[*device].replicas.front();
    load_state(model, device_start(server, *device, state));
    return starling::evaluate(model, data, batch_size);
  }
  return total_of(slices_of(personal_state(server, state), data, batch_size, 0, 1));
}

std::vector<Evaluation> Simulation::evaluate_clients(const Server& server, int64_t batch_size) {
  std::vector<Evaluation> all(clients_.size());
  together(*ranks_, [&] {
    for (size_t i = static_cast<size_t>(ranks_->rank()); i < all.size();
         i += static_cast<size_t>(ranks_->size()))
      all[i] = evaluate_own(server, static_cast<int64_t>(i), batch_size);
  });
  share_evaluations(*ranks_, all);
  return all;
}

std::vector<Evaluation> Simulation::evaluate_devices(const Server& server, const Examples& data,
                                                     int64_t batch_size) {
  std::vector<Evaluation> all(server.strategy().device_models().size());
  together(*ranks_, [&] {
    on_workers(std::ssize(all), [&](Model&, size_t worker, int64_t device) {
      if (device % ranks_->size() != ranks_->rank()) return;
      const auto place = static_cast<size_t>(device);
      Model& model = *devices_[place].replicas[worker];
      load_state(model, device_start(server, place, {}));
      all[place] = starling::evaluate(model, data, batch_size);
    });
  });
  share_evaluations(*ranks_, all);
  return all;
}

}  // namespace starling
