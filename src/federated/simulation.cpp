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

void Simulation::add_devices(const ModelFactory& factory, int64_t clients) {
  if (std::ssize(device_of_) + clients > std::ssize(clients_))
    throw Error("devices for more than the " + std::to_string(clients_.size()) + " clients");
  const auto initial = state_of(*factory());
  Device device{{}, initial, FlatLayout(initial)};
  for (size_t i = 0; i < replicas_.size(); ++i) device.replicas.push_back(factory());
  device_of_.insert(device_of_.end(), static_cast<size_t>(clients), devices_.size());
  devices_.push_back(std::move(device));
}

const Simulation::Device* Simulation::device_of(int64_t client) const {
  const auto id = static_cast<size_t>(client);
  return id < device_of_.size() ? &devices_[device_of_[id]] : nullptr;
}

StateDict Simulation::Device::model_of(const ClientState& state) const {
  StateDict model = clone(initial);
  if (!state.personal.empty()) layout.write(state.personal, model);
  return model;
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
  update.answers = answers_of(model, public_, *distilling);
  return update;
}

ClientUpdate Simulation::train_own(const Device& device, size_t worker, const Client& client,
                                   const Server& server, const ClientTask& task) const {
  auto update = train_client(*device.replicas[worker], client, server,
                             device.model_of(states_[static_cast<size_t>(client.id())]), task);
  update.own_model = true;
  return update;
}

// The server's own student of the clients' mean answers.
void Simulation::distil_global(Server& server, int64_t round, const RandomKey& key) {
  if (server.strategy().consensus().empty()) return;
  on_workers(1, [&](Model& model, size_t, int64_t) {
    load_state(model, server.global());
    learn_consensus(model, public_, server.strategy(), {key.derive("distillation"), -1, round});
    const auto distilled = state_of(model);
    if (!all_finite(distilled))
      throw Error("the distilled model would not be finite in " + first_non_finite(distilled) +
                  "; lower the learning rate of strategy.distillation");
    server.restore(distilled, server.clip_norm());
  });
}

// A client that keeps its whole model is sent one the first time.
int64_t Simulation::bytes_down(const Server& server,
                               const std::vector<int64_t>& participants) const {
  const int64_t size = server.layout().size(), kept = server.kept_size();
  int64_t values = std::ssize(participants) * server.strategy().download_size(size - kept);
  if (server.strategy().distilling() != nullptr && kept == size)
    for (const int64_t client : participants) {
      if (!states_[static_cast<size_t>(client)].personal.empty()) continue;
      const Device* device = device_of(client);
      values += device == nullptr ? size : device->layout.size();
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
      const Device* device = device_of(client.id());
      const auto update = device != nullptr
                              ? train_own(*device, worker, client, server, work)
                              : train_client(model, client, server,
                                             work.start ? global : start_of(server, state), work);
      share.metrics[place] = update.metrics;
      if (!collectors[worker].add(update, state, global)) return;
      if (device == nullptr) {
        train_personal(model, client, server, state, work);
      } else {
        state.personal.resize(static_cast<size_t>(device->layout.size()));
        device->layout.read(update.state, state.personal);
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
  if (const Device* device = device_of(client)) {
    Model& model = *device->replicas.front();
    load_state(model, device->model_of(state));
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

}  // namespace starling
