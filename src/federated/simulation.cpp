#include "starling/federated/simulation.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "federated/local_correction.h"
#include "federated/personal_model.h"
#include "starling/core/error.h"
#include "starling/core/log.h"

namespace starling {
namespace {

// Of clients that failed alone.
class Failures {
 public:
  explicit Failures(bool may_log) : may_log_(may_log) {}

  void add(int64_t client, const std::exception& problem) {
    if (may_log_) log::warning("client " + std::to_string(client) + " failed: " + problem.what());
    const std::lock_guard lock(mutex_);
    ++count_;
    if (first_ < 0 || client < first_) {
      first_ = client;
      message_ = problem.what();
    }
  }
  int64_t count() const { return count_; }
  void refuse_all_of(int64_t participants) const {
    if (count_ == 0 || count_ < participants) return;
    throw Error("every client of the round failed; client " + std::to_string(first_) + ": " +
                message_);
  }

 private:
  bool may_log_;
  std::mutex mutex_;
  int64_t count_ = 0;
  int64_t first_ = -1;
  std::string message_;
};

// Long jobs first: the last ones to end are short.
std::vector<int64_t> longest_first(std::vector<int64_t> ids, const std::vector<Client>& clients) {
  std::sort(ids.begin(), ids.end());
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int64_t a, int64_t b) { return clients[a].size() > clients[b].size(); });
  return ids;
}

}  // namespace

Simulation::Simulation(const ModelFactory& factory, std::vector<Client> clients, int64_t workers,
                       int64_t threads_per_client)
    : clients_(std::move(clients)),
      states_(clients_.size()),
      threads_per_client_(threads_per_client) {
  for (int64_t i = 0; i < std::max<int64_t>(workers, 1); ++i) replicas_.push_back(factory());
}

Simulation::~Simulation() = default;

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

RoundOutcome Simulation::round(Server& server, int64_t round,
                               const std::vector<int64_t>& participants,
                               const std::function<ClientTask(int64_t)>& task,
                               const RandomKey& key) {
  const auto ids = longest_first(participants, clients_);
  std::vector<Collector> collectors;
  for (size_t i = 0; i < std::max<size_t>(1, std::min(ids.size(), replicas_.size())); ++i)
    collectors.emplace_back(server, round, channel_);
  std::vector<LocalMetrics> metrics(ids.size());
  Failures failures(!server.options().privacy);  // who takes part may be secret
  on_workers(std::ssize(ids), [&](Model& model, size_t worker, int64_t job) {
    const Client& client = clients_[ids[job]];
    ClientState& state = states_[ids[job]];
    try {
      ClientTask work = task(client.id());
      work.initial_loss = server.strategy().wants_initial_loss();
      work.local.correction = local_correction(model, server, state);
      const StateDict& global = work.start ? *work.start : server.global();
      const auto update = client.train(model, work.start ? global : start_of(server, state), work);
      metrics[job] = update.metrics;
      if (collectors[worker].add(update, state, global))
        train_personal(model, client, server, state, work);
    } catch (const std::exception& problem) {
      failures.add(client.id(), problem);
    }
  });
  failures.refuse_all_of(std::ssize(ids));
  if (root_) collectors[0].trust(root_->train(*replicas_[0], server.global(), task(-1)));

  for (size_t i = 1; i < collectors.size(); ++i) collectors[0].merge(std::move(collectors[i]));
  RoundOutcome outcome;
  outcome.used = collectors[0].sum().clients();
  outcome.rejected = collectors[0].rejected();
  outcome.failed = failures.count();
  outcome.bytes_up = collectors[0].bytes_up();
  outcome.bytes_down =
      std::ssize(ids) *
      download_bytes(server.strategy().download_size(server.layout().size() - server.kept_size()));
  for (const auto& one : metrics) outcome.metrics += one;
  server.finish(collectors[0], key);
  return outcome;
}

Evaluation Simulation::evaluate_client(const Server& server, int64_t client, int64_t batch_size) {
  const ClientState& state = states_.at(static_cast<size_t>(client));
  return evaluate(personal_state(server, state), clients_.at(static_cast<size_t>(client)).data(),
                  batch_size);
}

Evaluation Simulation::evaluate(const StateDict& state, const Examples& data, int64_t batch_size) {
  for (auto& replica : replicas_) load_state(*replica, state);
  const int64_t slices = (data.size() + batch_size - 1) / batch_size;
  std::vector<Evaluation> parts(slices);
  on_workers(slices, [&](Model& model, size_t, int64_t slice) {
    const int64_t first = slice * batch_size;
    const int64_t last = std::min(first + batch_size, data.size());
    const Examples part{data.features.slice(0, first, last), data.labels.slice(0, first, last)};
    parts[slice] = starling::evaluate(model, part, batch_size);
  });
  Evaluation total;
  for (const auto& part : parts) total += part;
  return total;
}

}  // namespace starling
