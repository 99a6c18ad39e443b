#pragma once
// Short texts drawn from a grammar, so that recurrent networks and attention have something to read
// without a download. A phrase names two things of different classes; its label is the class of
// the one that is meant, which the words around the two decide. Where every phrase names both as
// often (the shipped grammar does), exchanging them gives a phrase of the same words that is as
// likely and has the other label: no classifier that ignores the order of words is right more than
// half of the time, whatever the number of classes.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "starling/data/dataset.h"

namespace starling {

struct PhraseClass {
  std::string name;
  std::vector<std::string> words;  // that stand for it
  bool operator==(const PhraseClass&) const = default;
};

// One of `choices` is taken. A choice is words and slots between spaces: {class} is a word of the
// class that is meant, {other} one of the other thing, {NAME} a rule that stands further down.
struct PhraseRule {
  std::string name;
  std::vector<std::string> choices;
  bool operator==(const PhraseRule&) const = default;
};

struct PhraseGrammar {
  int64_t length = 0;   // words of an example, padding included
  int64_t writers = 1;  // of each split; every writer has a favourite choice in every rule
  double habit = 0.0;  // probability with which it is taken, in [0, 1]; otherwise all are as likely
  std::vector<PhraseClass> classes;  // at least two
  std::vector<PhraseRule> rules;     // the first one is the phrase
  bool operator==(const PhraseGrammar&) const = default;
};

// Every word once, in alphabetical order from 1 on; word 0 is the padding, an empty string.
// Errors: InputError where a slot is unknown or calls a rule above, a rule is never used, a phrase
// may leave out {class} or be longer than `length`.
std::vector<std::string> vocabulary_of(const PhraseGrammar& grammar);

// Word ids, padded in front, so that what a recurrent network reads last is the end of the phrase.
// `owners` holds the writer, numbered 0.. in train and from grammar.writers in test. Everything
// follows from the seed; example i of a split is the same whatever the requested sizes. Errors:
// those of vocabulary_of, and InputError unless each size is in 1..10,000,000.
DataSplit draw_phrases(const PhraseGrammar& grammar, int64_t train, int64_t test, uint64_t seed);

// The words behind the ids of one example, without the padding.
std::string phrase_text(std::span<const float> ids, const std::vector<std::string>& vocabulary);

}  // namespace starling
