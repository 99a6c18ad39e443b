#include "federated/shares.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "starling/core/log.h"

namespace starling {
namespace {

static_assert(std::is_trivially_copyable_v<LocalMetrics>);
static_assert(sizeof(LocalMetrics) % sizeof(int64_t) == 0);

void put_word(std::string& bytes, int64_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

int64_t take_word(std::string_view& bytes) {
  int64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

bool is_empty(const ClientState& state) {
  return state.memory.empty() && state.personal.empty() && state.residual.empty();
}

}  // namespace

std::vector<int64_t> longest_first(std::vector<int64_t> ids, const std::vector<Client>& clients) {
  std::sort(ids.begin(), ids.end());
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int64_t a, int64_t b) { return clients[a].size() > clients[b].size(); });
  return ids;
}

std::vector<size_t> places_of_rank(const Ranks& ranks, const std::vector<int64_t>& ids,
                                   const std::vector<Client>& clients) {
  std::vector<size_t> places;
  std::vector<int64_t> load(static_cast<size_t>(ranks.size()), 0);
  for (size_t place = 0; place < ids.size(); ++place) {
    const auto idlest = std::ranges::min_element(load);
    *idlest += clients[ids[place]].size();
    if (idlest - load.begin() == ranks.rank()) places.push_back(place);
  }
  return places;
}

void share_metrics(Ranks& ranks, std::vector<LocalMetrics>& metrics) {
  if (ranks.size() == 1 || metrics.empty()) return;
  const size_t bytes = metrics.size() * sizeof(LocalMetrics);
  std::vector<int64_t> words(bytes / sizeof(int64_t));
  std::memcpy(words.data(), metrics.data(), bytes);
  ranks.sum(words);
  std::memcpy(static_cast<void*>(metrics.data()), words.data(), bytes);
}

void share_evaluations(Ranks& ranks, std::vector<Evaluation>& evaluations) {
  if (ranks.size() == 1) return;
  std::vector<int64_t> words;
  std::string scores;
  for (size_t i = 0; i < evaluations.size(); ++i) {
    const Evaluation& one = evaluations[i];
    for (const int64_t word : {one.correct, one.examples, std::bit_cast<int64_t>(one.loss_sum),
                               one.true_positives, one.predicted_positives})
      words.push_back(word);
    if (one.positive_scores.empty() && one.negative_scores.empty()) continue;
    put_vector(scores, static_cast<int64_t>(i), one.positive_scores);
    put_vector(scores, static_cast<int64_t>(i), one.negative_scores);
  }
  words.push_back(std::ssize(scores));
  ranks.sum(words);
  const int64_t* word = words.data();
  for (Evaluation& one : evaluations) {
    one.correct = *word++;
    one.examples = *word++;
    one.loss_sum = std::bit_cast<double>(*word++);
    one.true_positives = *word++;
    one.predicted_positives = *word++;
  }
  if (*word == 0) return;
  for (const auto& theirs : ranks.gather(scores))
    for (std::string_view rest = theirs; !rest.empty();) {
      auto [place, positives] = take_vector(rest);
      evaluations[static_cast<size_t>(place)].positive_scores = std::move(positives);
      evaluations[static_cast<size_t>(place)].negative_scores = take_vector(rest).second;
    }
}

void log_warnings(Ranks& ranks, const std::vector<std::string>& own) {
  int64_t count = std::ssize(own);
  ranks.sum({&count, 1});
  if (count == 0) return;
  std::string texts;
  for (const auto& text : own) texts.append(text).push_back('\0');
  const auto all = ranks.gather(texts);
  if (ranks.rank() > 0) return;
  for (const auto& theirs : all)
    for (std::string_view rest = theirs; !rest.empty();) {
      const auto end = rest.find('\0');
      log::warning(std::string(rest.substr(0, end)));
      rest.remove_prefix(end + 1);
    }
}

void share_states(Ranks& ranks, const std::vector<int64_t>& clients,
                  std::vector<ClientState>& states) {
  if (ranks.size() == 1) return;
  std::string mine;
  for (const int64_t client : clients) {
    const ClientState& state = states[client];
    if (is_empty(state)) continue;
    put_vector(mine, client, state.memory);
    put_vector(mine, client, state.personal);
    put_vector(mine, client, state.residual);
  }
  int64_t bytes = std::ssize(mine);
  ranks.sum({&bytes, 1});
  if (bytes == 0) return;
  for (const auto& theirs : ranks.gather(mine))
    for (std::string_view rest = theirs; !rest.empty();) {
      auto [client, memory] = take_vector(rest);
      states[client] = {std::move(memory), take_vector(rest).second, take_vector(rest).second};
    }
}

void put_vector(std::string& bytes, int64_t client, const std::vector<double>& values) {
  put_word(bytes, client);
  put_word(bytes, std::ssize(values));
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
}

std::pair<int64_t, std::vector<double>> take_vector(std::string_view& bytes) {
  const int64_t client = take_word(bytes);
  std::vector<double> values(static_cast<size_t>(take_word(bytes)));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  bytes.remove_prefix(values.size() * sizeof(double));
  return {client, std::move(values)};
}

}  // namespace starling
