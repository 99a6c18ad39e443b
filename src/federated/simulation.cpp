#include "starling/federated/simulation.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "starling/core/error.h"

namespace starling {

Simulation::Simulation(const ModelFactory& factory, std::vector<Client> clients, int64_t workers,
                       int64_t threads_per_client)
    : clients_(std::move(clients)), threads_per_client_(threads_per_client) {
  for (int64_t i = 0; i < std::max<int64_t>(workers, 1); ++i) replicas_.push_back(factory());
}

Simulation::~Simulation() = default;

void Simulation::on_workers(int64_t jobs, const std::function<void(Model&, int64_t)>& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](Model& model) {
    at::set_num_threads(static_cast<int>(threads_per_client_));
    for (int64_t job = next++; job < jobs; job = next++) {
      try {
        work(model, job);
      } catch (...) {
        const std::lock_guard lock(failing);
        if (!failure) failure = std::current_exception();
        next = jobs;
      }
    }
  };
  std::vector<std::thread> helpers;
  const auto useful = std::min<int64_t>(jobs, static_cast<int64_t>(replicas_.size()));
  for (int64_t i = 1; i < useful; ++i) helpers.emplace_back(run, std::ref(*replicas_[i]));
  run(*replicas_[0]);
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

RoundOutcome Simulation::round(Server& server, const std::vector<int64_t>& participants,
                               const std::function<ClientTask(int64_t)>& task) {
  std::vector<int64_t> ids = participants;
  std::sort(ids.begin(), ids.end());
  std::vector<size_t> longest_first(ids.size());
  std::iota(longest_first.begin(), longest_first.end(), size_t{0});
  std::stable_sort(longest_first.begin(), longest_first.end(), [&](size_t a, size_t b) {
    return clients_[ids[a]].size() > clients_[ids[b]].size();
  });
  std::vector<ClientUpdate> updates(ids.size());
  on_workers(static_cast<int64_t>(ids.size()), [&](Model& model, int64_t job) {
    const size_t position = longest_first[job];
    const Client& client = clients_[ids[position]];
    updates[position] = client.train(model, server.global(), task(client.id()));
  });
  RoundOutcome outcome;
  for (const auto& update : updates) outcome.metrics += update.metrics;
  outcome.aggregation = server.aggregate(updates);
  return outcome;
}

Evaluation Simulation::evaluate(const StateDict& state, const Examples& data, int64_t batch_size) {
  for (auto& replica : replicas_) load_state(*replica, state);
  const int64_t slices = (data.size() + batch_size - 1) / batch_size;
  std::vector<Evaluation> parts(slices);
  on_workers(slices, [&](Model& model, int64_t slice) {
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
