#pragma once
// Compresses the model of a finished run into a smaller one by distillation (train/distill.h), and
// holds it beside the same small model trained on the labels alone.
//
// Privacy. A student is post-processing of what the teacher's run released only where all else that
// it learned from is public: then the teacher's guarantee is the student's. Nothing noises what a
// student takes from its transfer examples, so private ones leave it without a guarantee, and so
// does a teacher without one.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "starling/report/record.h"
#include "starling/train/layer_match.h"

namespace starling {

struct DistillOptions {
  std::string teacher;   // run folder
  std::string student;   // model description
  std::string transfer;  // data set; empty: the one that the teacher was trained on
  bool transfer_is_public = false;
  int64_t skip = 0;                   // transfer examples left out at the beginning
  std::optional<int64_t> limit;       // transfer examples after them, at most
  double temperature = 4.0;           // > 0
  std::optional<double> hard_weight;  // absent: 0.1, and 0 where labels mean other classes
  std::vector<LayerMatch> matches;    // layers that follow the teacher's beside the answers
  int64_t epochs = 10;
  int64_t batch_size = 64;
  double learning_rate = 0.01;  // SGD's; falls to nothing along half a cosine
  double momentum = 0.9;
  int64_t seed = 1;   // of the first student, and of a transfer set that is drawn
  int64_t seeds = 1;  // students, each distilled and trained alone from the same initial weights
  std::string out;    // new folder; empty: beside the teacher's
  std::string data_folder;
  std::function<void(const std::string&)> on_progress;  // lines for a person
};

struct ModelFigures {
  std::string name;
  int64_t parameters = 0;
  int64_t bytes = 0;                 // of all tensors
  std::vector<double> accuracies{};  // on the teacher's test set, one a seed
  double examples_per_second = 0.0;  // classified there, on the run's threads_per_client

  double mean_accuracy() const;
  double accuracy_deviation() const;  // sample standard deviation; 0 for one seed
};

struct DistillResult {
  ModelFigures teacher;
  ModelFigures student;
  std::optional<ModelFigures> alone;  // absent where the transfer labels mean other classes
  int64_t transfer_examples = 0;
  std::string claim;   // what is promised about privacy, or NO DP GUARANTEE
  std::string folder;  // student.safetensors (of the first seed), student.json, distillation.json
};

// Errors: InputError where run, model, layers, data and options do not fit together, and where
// examples that a private teacher was trained on are declared public.
DistillResult distill(const DistillOptions& options);

// What a student of that run promises.
std::string student_claim(const RunRecord& teacher, bool transfer_is_public);

}  // namespace starling
