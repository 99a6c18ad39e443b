#include "starling/data/phrases.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "starling/core/error.h"
#include "starling/core/json.h"
#include "starling/core/random.h"

namespace starling {
namespace {

constexpr int64_t kMostExamples = 10'000'000;
constexpr int64_t kMostSteps = 10'000;  // of drawing one phrase

enum class PieceKind { word, rule, meant, other };
struct Piece {
  PieceKind kind = PieceKind::word;
  size_t index = 0;  // of the word in the vocabulary, or of the rule
};
using Choice = std::vector<Piece>;

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

bool is_slot(const std::string& word) { return word.front() == '{' || word.back() == '}'; }

[[noreturn]] void fail(const PhraseRule& rule, const std::string& problem) {
  throw InputError("rules", "rule \"" + rule.name + "\" " + problem);
}

// The grammar with every name looked up.
class Grammar {
 public:
  explicit Grammar(const PhraseGrammar& grammar) : source_(grammar) {
    collect_vocabulary();
    for (const PhraseClass& one : grammar.classes) classes_.push_back(choices(one.words, nullptr));
    for (const PhraseRule& rule : grammar.rules) rules_.push_back(choices(rule.choices, &rule));
    check_use();
    check_extent();
  }

  const PhraseGrammar& source() const { return source_; }
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }
  const std::vector<Choice>& rule(size_t index) const { return rules_[index]; }
  const std::vector<Choice>& words(size_t label) const { return classes_[label]; }
  size_t rules() const { return rules_.size(); }
  size_t classes() const { return classes_.size(); }

 private:
  // What the longest choice takes, and the fewest mentions of the class that is meant.
  struct Extent {
    int64_t words = 0, steps = 1, mentions = 0;
  };

  void collect_vocabulary() {
    std::set<std::string> words;
    const auto add = [&](const std::vector<std::string>& texts) {
      for (const std::string& text : texts)
        for (const std::string& word : split_words(text))
          if (!is_slot(word)) words.insert(word);
    };
    for (const PhraseClass& one : source_.classes) add(one.words);
    for (const PhraseRule& rule : source_.rules) add(rule.choices);
    vocabulary_.assign(1, "");
    vocabulary_.insert(vocabulary_.end(), words.begin(), words.end());
    for (size_t i = 1; i < vocabulary_.size(); ++i) ids_[vocabulary_[i]] = i;
  }

  // `rule` is null for the words of a class, which have no slots.
  std::vector<Choice> choices(const std::vector<std::string>& texts, const PhraseRule* rule) const {
    std::vector<Choice> all;
    for (const std::string& text : texts) {
      all.emplace_back();
      for (const std::string& word : split_words(text)) all.back().push_back(piece(word, rule));
    }
    return all;
  }

  Piece piece(const std::string& word, const PhraseRule* rule) const {
    if (!is_slot(word)) return {PieceKind::word, ids_.at(word)};
    if (rule == nullptr) throw InputError("classes", "\"" + word + "\" is a slot, not a word");
    if (word == "{class}") return {PieceKind::meant};
    if (word == "{other}") return {PieceKind::other};
    std::vector<std::string> below = {"{class}", "{other}"};
    const auto at = static_cast<size_t>(rule - source_.rules.data());
    for (size_t r = at + 1; r < source_.rules.size(); ++r) {
      below.push_back("{" + source_.rules[r].name + "}");
      if (word == below.back()) return {PieceKind::rule, r};
    }
    fail(*rule, "uses \"" + word + "\", which is no rule below it" + did_you_mean(word, below));
  }

  void check_use() const {
    std::set<size_t> used = {0};
    for (const auto& rule : rules_)
      for (const Choice& choice : rule)
        for (const Piece& piece : choice)
          if (piece.kind == PieceKind::rule) used.insert(piece.index);
    for (size_t r = 0; r < rules_.size(); ++r)
      if (!used.contains(r)) fail(source_.rules[r], "is never used");
  }

  void check_extent() const {
    int64_t longest = 0;
    for (const auto& words : classes_)
      for (const Choice& choice : words) longest = std::max(longest, std::ssize(choice));
    std::vector<Extent> extents(rules_.size());
    for (size_t r = rules_.size(); r-- > 0;) extents[r] = extent(rules_[r], extents, longest);
    const Extent& phrase = extents.front();
    if (std::ranges::any_of(extents, [](const Extent& e) { return e.steps > kMostSteps; }))
      throw InputError("rules", "make phrases of more than 10000 steps");
    if (phrase.words > source_.length)
      throw InputError("length", std::to_string(source_.length) + " is below the " +
                                     std::to_string(phrase.words) + " words of the longest phrase");
    if (phrase.mentions == 0) fail(source_.rules.front(), "makes phrases without {class}");
  }

  static Extent extent(const std::vector<Choice>& rule, const std::vector<Extent>& extents,
                       int64_t longest_name) {
    Extent most;
    most.mentions = kMostSteps;
    for (const Choice& choice : rule) {
      Extent own;
      for (const Piece& piece : choice) {
        const bool is_rule = piece.kind == PieceKind::rule;
        const bool is_word = piece.kind == PieceKind::word;
        own.words += is_rule ? extents[piece.index].words : is_word ? 1 : longest_name;
        own.steps += is_rule ? extents[piece.index].steps : is_word ? 1 : longest_name;
        own.mentions += is_rule ? extents[piece.index].mentions : piece.kind == PieceKind::meant;
      }
      most.words = std::min(kMostSteps + 1, std::max(most.words, own.words));
      most.steps = std::min(kMostSteps + 1, std::max(most.steps, own.steps));
      most.mentions = std::min(most.mentions, own.mentions);
    }
    return most;
  }

  const PhraseGrammar& source_;
  std::vector<std::string> vocabulary_;
  std::map<std::string, size_t> ids_;
  std::vector<std::vector<Choice>> classes_, rules_;
};

// The choice that a writer favours in every rule and for every class.
struct Writer {
  std::vector<size_t> rules, classes;
};

Writer draw_writer(const Grammar& grammar, RandomStream& stream) {
  const auto favourite = [&](const std::vector<Choice>& choices) {
    return static_cast<size_t>(stream.below(std::ssize(choices)));
  };
  Writer writer;
  for (size_t r = 0; r < grammar.rules(); ++r) writer.rules.push_back(favourite(grammar.rule(r)));
  for (size_t c = 0; c < grammar.classes(); ++c)
    writer.classes.push_back(favourite(grammar.words(c)));
  return writer;
}

class Pen {
 public:
  Pen(const Grammar& grammar, const Writer& writer, size_t meant, size_t other,
      RandomStream& stream)
      : grammar_(grammar), writer_(writer), meant_(meant), other_(other), stream_(stream) {}

  std::vector<size_t> phrase() {
    write_rule(0);
    return std::move(words_);
  }

 private:
  void write_rule(size_t rule) { write(grammar_.rule(rule), writer_.rules[rule]); }
  void write_name(size_t label) { write(grammar_.words(label), writer_.classes[label]); }

  void write(const std::vector<Choice>& choices, size_t favourite) {
    const bool is_habit = stream_.bernoulli(grammar_.source().habit);
    const size_t index =
        is_habit ? favourite : static_cast<size_t>(stream_.below(std::ssize(choices)));
    for (const Piece& piece : choices[index]) write(piece);
  }

  void write(const Piece& piece) {
    switch (piece.kind) {
      case PieceKind::word:
        words_.push_back(piece.index);
        break;
      case PieceKind::rule:
        write_rule(piece.index);
        break;
      case PieceKind::meant:
        write_name(meant_);
        break;
      case PieceKind::other:
        write_name(other_);
        break;
    }
  }

  const Grammar& grammar_;
  const Writer& writer_;
  size_t meant_, other_;
  RandomStream& stream_;
  std::vector<size_t> words_;
};

Dataset draw_split(const Grammar& grammar, int64_t count, const std::string& name, int64_t split,
                   uint64_t seed) {
  if (count < 1 || count > kMostExamples)
    throw InputError(name, std::to_string(count) + " examples are outside 1..10000000");
  const RandomKey key = RandomKey::from_seed(seed).derive("phrases");
  RandomStream writer_stream(key, {Purpose::data, split, 0});
  std::vector<Writer> writers;
  for (int64_t w = 0; w < grammar.source().writers; ++w)
    writers.push_back(draw_writer(grammar, writer_stream));

  Dataset data;
  data.name = name;
  data.shape = {grammar.source().length};
  data.classes = std::ssize(grammar.source().classes);
  data.vocabulary = std::ssize(grammar.vocabulary());
  RandomStream stream(key, {Purpose::data, split, 1});
  for (int64_t i = 0; i < count; ++i) {
    const int64_t writer = stream.below(std::ssize(writers));
    const int64_t meant = stream.below(data.classes);
    const int64_t other = (meant + 1 + stream.below(data.classes - 1)) % data.classes;
    Pen pen(grammar, writers[static_cast<size_t>(writer)], static_cast<size_t>(meant),
            static_cast<size_t>(other), stream);
    const auto words = pen.phrase();
    data.features.resize(data.features.size() + grammar.source().length - words.size(), 0.0f);
    for (const size_t word : words) data.features.push_back(static_cast<float>(word));
    data.labels.push_back(meant);
    data.owners.push_back(split * grammar.source().writers + writer);
  }
  return data;
}

}  // namespace

std::vector<std::string> vocabulary_of(const PhraseGrammar& grammar) {
  return Grammar(grammar).vocabulary();
}

DataSplit draw_phrases(const PhraseGrammar& grammar, int64_t train, int64_t test, uint64_t seed) {
  const Grammar compiled(grammar);
  return {draw_split(compiled, train, "phrases train", 0, seed),
          draw_split(compiled, test, "phrases test", 1, seed)};
}

std::string phrase_text(std::span<const float> ids, const std::vector<std::string>& vocabulary) {
  std::string text;
  for (const float id : ids) {
    const std::string& word = vocabulary.at(static_cast<size_t>(id));
    if (!word.empty()) text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

}  // namespace starling
