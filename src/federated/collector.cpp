#include "starling/federated/collector.h"

#include <algorithm>
#include <array>

#include "federated/shares.h"
#include "starling/core/error.h"

namespace starling {
namespace {

bool is_robust(const Server& server) {
  return !std::holds_alternative<MeanAggregation>(server.options().aggregation);
}

// Calls work(part, its values) for every part of the layout.
template <class Work>
void for_each_part(const Server& server, std::span<double> values, Work work) {
  const auto& parts = server.layout().parts();
  for (size_t p = 0; p < parts.size(); ++p)
    work(p,
         values.subspan(static_cast<size_t>(parts[p].first), static_cast<size_t>(parts[p].size)));
}

// The coordinates that travel, one after the other; and back.
std::vector<double> shared_values(const Server& server, std::span<double> upload) {
  std::vector<double> shared;
  for_each_part(server, upload, [&](size_t p, std::span<const double> part) {
    if (!server.keeps_local(p)) shared.insert(shared.end(), part.begin(), part.end());
  });
  return shared;
}

void put_back(const Server& server, std::span<const double> shared, std::span<double> upload) {
  for_each_part(server, upload, [&](size_t p, std::span<double> part) {
    if (server.keeps_local(p)) return;
    std::ranges::copy(shared.first(part.size()), part.begin());
    shared = shared.subspan(part.size());
  });
}

}  // namespace

StateDict start_of(const Server& server, const ClientState& state) {
  if (server.kept_size() == 0 || state.personal.empty()) return server.global();
  StateDict kept = clone(server.global());
  server.layout().write(state.personal, kept);
  StateDict start = server.global();
  const auto& parts = server.layout().parts();
  for (size_t p = 0; p < parts.size(); ++p) {
    if (!server.keeps_local(p)) continue;
    const auto of_part = [&](const NamedTensor& tensor) { return tensor.name == parts[p].name; };
    *std::ranges::find_if(start.tensors, of_part) = *std::ranges::find_if(kept.tensors, of_part);
  }
  return start;
}

Collector::Collector(const Server& server, int64_t round, const Channel& channel)
    : server_(server),
      round_(round),
      channel_(channel),
      sum_(server.rule()),
      update_(static_cast<size_t>(server.layout().size())),
      upload_(static_cast<size_t>(server.rule().size)),
      expected_(static_cast<size_t>(server.options().population), true),
      seen_(expected_.size(), false) {}

void Collector::expect(std::span<const int64_t> clients) {
  expected_.assign(expected_.size(), false);
  for (const int64_t client : clients) expected_.at(static_cast<size_t>(client)) = true;
}

void Collector::check(const ClientUpdate& update) const {
  if (update.round != round_)
    throw Error("it is of round " + std::to_string(update.round) + ", and this is round " +
                std::to_string(round_));
  if (update.client < 0 || update.client >= server_.options().population)
    throw Error("no client of this federation has this number");
  const auto client = static_cast<size_t>(update.client);
  if (!expected_[client]) throw Error("this client was not asked in this round");
  if (seen_[client]) throw Error("this round holds one of this client already");
  const auto& registered = server_.options().examples;
  if (update.examples < 1)
    throw Error("it claims " + std::to_string(update.examples) + " examples");
  if (!registered.empty() && update.examples > registered[client])
    throw Error("it claims more examples than the client is registered with");
  if (!update.device) check_same_layout(server_.global(), update.state, "the update");
  check_device(update);
  const Distilling* distilling = server_.strategy().distilling();
  const int64_t expected = distilling == nullptr ? 0 : distilling->answers;
  if (std::ssize(update.answers) != expected)
    throw Error("it holds " + std::to_string(update.answers.size()) + " answers where " +
                std::to_string(expected) + " are expected");
}

void Collector::check_device(const ClientUpdate& update) const {
  const auto models = server_.strategy().device_models();
  if (!update.device || models.empty()) return;
  if (*update.device >= models.size() ||
      update.device_update.size() != models[*update.device].size())
    throw Error("it is of a model that no class of devices has");
}

void Collector::read_model(const StateDict& trained, ClientState& state, const StateDict& start) {
  server_.layout().read_difference(trained, start, update_);
  if (server_.kept_size() == 0) return;
  state.personal.resize(update_.size());
  server_.layout().read(trained, state.personal);
  for_each_part(server_, update_, [&](size_t p, std::span<double> part) {
    if (server_.keeps_local(p)) std::ranges::fill(part, 0.0);
  });
}

void Collector::read_update(const ClientUpdate& update, ClientState& state,
                            const StateDict& start) {
  if (update.device) {
    std::ranges::fill(update_, 0.0);
  } else if (server_.options().example_sums) {
    server_.layout().read(update.state, update_);
    for (double& value : update_) value = -value;
  } else {
    read_model(update.state, state, start);
  }
  if (std::ranges::binary_search(channel_.attackers, update.client))
    attack_update(channel_.attack, update_, update.client, round_, channel_.key);
  LocalResult result;
  result.update = update.device_update.empty() ? update_ : update.device_update;
  result.device = update.device;
  result.steps = update.metrics.steps;
  result.examples = update.examples;
  result.learning_rate = update.learning_rate;
  result.momentum = update.momentum;
  result.initial_loss = update.initial_loss;
  result.staleness = update.staleness;
  result.answers = update.answers;
  server_.strategy().upload(result, state.memory, upload_);
}

// Through the wire: what the server goes on with is what it decodes.
void Collector::send(const ClientUpdate& update, ClientState& state) {
  const StreamId id{Purpose::compression, update.client, round_};
  const auto size = std::ssize(update.device_update.empty() ? update_ : update.device_update);
  if (server_.sends_whole_upload()) {
    bytes_up_ += std::holds_alternative<NoCompression>(channel_.communication)
                     ? upload_bytes(channel_.communication, server_.strategy().sent_size(size))
                     : compress(channel_.communication, upload_, state.residual, channel_.key, id);
    return;
  }
  auto shared = shared_values(server_, upload_);
  bytes_up_ += compress(channel_.communication, shared, state.residual, channel_.key, id);
  put_back(server_, shared, upload_);
}

bool Collector::add(const ClientUpdate& update, ClientState& state, const StateDict& start) {
  try {
    check(update);
    ClientState next = state;
    read_update(update, next, start);
    send(update, next);
    sum_.add(upload_, server_.weight_of(update.examples));
    state = std::move(next);
    seen_[static_cast<size_t>(update.client)] = true;
    if (is_robust(server_)) uploads_[update.client] = upload_;
    return true;
  } catch (const Error& problem) {
    if (!server_.options().privacy)
      warnings_.push_back("update of client " + std::to_string(update.client) +
                          " left out: " + problem.what());
    ++rejected_;
    return false;
  }
}

void Collector::trust(const ClientUpdate& update) {
  trusted_.resize(update_.size());
  server_.layout().read_difference(update.state, server_.global(), trusted_);
}

void Collector::merge(Collector&& other) {
  for (size_t client = 0; client < seen_.size(); ++client) {
    if (seen_[client] && other.seen_[client])
      throw Error("two parts of a round hold an update of client " + std::to_string(client));
    if (other.seen_[client]) seen_[client] = true;
  }
  sum_.merge(other.sum_);
  uploads_.merge(other.uploads_);
  if (!other.trusted_.empty()) trusted_ = std::move(other.trusted_);
  rejected_ += other.rejected_;
  warnings_.insert(warnings_.end(), other.warnings_.begin(), other.warnings_.end());
  bytes_up_ += other.bytes_up_;
}

void Collector::sum_over(Ranks& ranks) {
  sum_.sum_over(ranks);
  std::array<int64_t, 2> counts{rejected_, bytes_up_};
  ranks.sum(counts);
  rejected_ = counts[0];
  bytes_up_ = counts[1];
  if (!is_robust(server_)) return;
  std::string mine;
  for (const auto& [client, upload] : uploads_) put_vector(mine, client, upload);
  for (const auto& theirs : ranks.gather(mine))
    for (std::string_view rest = theirs; !rest.empty();) {
      auto [client, upload] = take_vector(rest);
      uploads_[client] = std::move(upload);
    }
}

std::vector<std::span<const double>> Collector::uploads() const {
  std::vector<std::span<const double>> all;
  for (const auto& [client, upload] : uploads_) all.emplace_back(upload);
  return all;
}

}  // namespace starling
