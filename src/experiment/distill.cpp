#include "starling/experiment/distill.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/folders.h"
#include "experiment/load_examples.h"
#include "starling/core/error.h"
#include "starling/core/files.h"
#include "starling/core/hash.h"
#include "starling/nn/model.h"
#include "starling/nn/state.h"
#include "starling/report/report.h"
#include "starling/train/distill.h"
#include "starling/train/layer_matching.h"
#include "starling/train/random_layers.h"
#include "starling/train/schedule.h"

namespace starling {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kEvaluationBatch = 512;
constexpr int kTimedPasses = 3;
constexpr double kUsualHardWeight = 0.1;

struct Teacher {
  RunRecord record;
  Experiment experiment;
  DatasetInfo info;
  DataSplit data;
  Examples test;
  std::shared_ptr<Model> model;
};

struct Transfer {
  Examples examples;
  bool labelled = true;  // with the teacher's classes
};

Teacher load_teacher(const DistillOptions& options) {
  const auto file = fs::path(options.teacher) / "experiment.json";
  const auto weights = fs::path(options.teacher) / "model.safetensors";
  for (const auto& needed : {file, weights})
    if (!fs::is_regular_file(needed))
      throw InputError(options.teacher, "is not the folder of a finished run: it holds no " +
                                            needed.filename().string());
  Teacher teacher;
  teacher.record = read_record(options.teacher);
  teacher.experiment = load_experiment(file.string());
  if (private_standardization(teacher.experiment.dataset) != nullptr)
    throw InputError(options.teacher,
                     "standardised its columns privately: no other examples are scaled as its "
                     "were, so that it cannot be a teacher");
  teacher.info = find_dataset(teacher.experiment.dataset.name);
  teacher.data = experiment::load_data(teacher.experiment, teacher.info, options.data_folder);
  if (teacher.data.train.is_regression())
    throw InputError(options.teacher, "is a regression, which has no classes to soften");
  const DType dtype = teacher.experiment.compute.dtype;
  teacher.test = experiment::examples_of(teacher.data.test, dtype);
  const auto description = describe_model(teacher.experiment.model, file.string());
  teacher.model = model_from_json(description.json, description.source, teacher.data.train.shape,
                                  teacher.data.train.classes, description.pointer)();
  teacher.model->to(experiment::scalar_type(dtype));
  load_initial(*teacher.model, weights.string());
  return teacher;
}

// Images of another set are scaled as the teacher's are: that is how it sees them.
LoadOptions loading(const DistillOptions& options, const Teacher& teacher,
                    const DatasetInfo& info) {
  LoadOptions wanted;
  wanted.folder = options.data_folder;
  wanted.seed = static_cast<uint64_t>(options.seed);
  if (options.limit) wanted.train_limit = options.skip + *options.limit;
  const bool images = info.shape.size() == 3 && info.format != DatasetFormat::csv;
  if (!images || info.format == DatasetFormat::linear) return wanted;
  const auto& spec = teacher.experiment.dataset;
  wanted.mean = spec.mean ? spec.mean : teacher.info.normalization.mean;
  wanted.std = spec.std ? spec.std : teacher.info.normalization.standard_deviation;
  return wanted;
}

Examples without_first(const Examples& all, const DistillOptions& options) {
  const int64_t last =
      options.limit ? std::min(all.size(), options.skip + *options.limit) : all.size();
  if (options.skip >= last)
    throw InputError("--skip", std::to_string(options.skip) + " leaves none of the " +
                                   std::to_string(all.size()) + " transfer examples");
  return {all.features.slice(0, options.skip, last), all.labels.slice(0, options.skip, last)};
}

std::string_view row(const Dataset& data, int64_t example) {
  const auto size = static_cast<size_t>(data.example_size()) * sizeof(float);
  return {reinterpret_cast<const char*>(data.features.data()) + size * example, size};
}

// What was private once stays so, whatever a flag says of it.
void refuse_private_rows(const Dataset& transfer, int64_t first, int64_t last,
                         const Teacher& teacher) {
  std::set<Sha256> known;
  for (int64_t i = 0; i < teacher.data.train.size(); ++i)
    known.insert(sha256(row(teacher.data.train, i)));
  int64_t shared = 0;
  for (int64_t i = first; i < last; ++i) shared += known.contains(sha256(row(transfer, i))) ? 1 : 0;
  if (shared > 0)
    throw InputError("--public", std::to_string(shared) + " of the " +
                                     std::to_string(last - first) +
                                     " transfer examples are training examples that the teacher's "
                                     "run protects; leave them out with --skip, or name another "
                                     "set");
}

Transfer load_transfer(const DistillOptions& options, const Teacher& teacher) {
  const DType dtype = teacher.experiment.compute.dtype;
  if (options.transfer.empty()) {
    if (options.transfer_is_public)
      throw InputError("--public",
                       "needs --transfer: the teacher's own training examples are "
                       "those that its run protects");
    return {without_first(experiment::examples_of(teacher.data.train, dtype), options)};
  }
  const DatasetInfo info = find_dataset(options.transfer);
  if (info.shape != teacher.info.shape || info.classes == 0)
    throw InputError("--transfer " + options.transfer,
                     "has examples of another kind than the teacher's " + teacher.info.name);
  const Dataset data = load_dataset(info, loading(options, teacher, info)).train;
  Transfer transfer{without_first(experiment::examples_of(data, dtype), options)};
  transfer.labelled = info.name == teacher.info.name ||
                      (!info.class_names.empty() && info.class_names == teacher.info.class_names);
  if (options.transfer_is_public && !teacher.record.privacy.empty())
    refuse_private_rows(data, options.skip, options.skip + transfer.examples.size(), teacher);
  return transfer;
}

DistillationLoss loss_of(const DistillOptions& options, const Transfer& transfer) {
  const double usual = transfer.labelled ? kUsualHardWeight : 0.0;
  const DistillationLoss loss{options.temperature, options.hard_weight.value_or(usual)};
  if (loss.hard_weight > 0.0 && !transfer.labelled)
    throw InputError("--hard-weight", "weighs labels, and those of " + options.transfer +
                                          " are not known to name the teacher's classes; use 0");
  return loss;
}

// The number of the best of a few passes, since anything else on the machine only slows one down.
double classified_per_second(Model& model, const Examples& data) {
  double best = 0.0;
  for (int pass = 0; pass < kTimedPasses; ++pass) {
    const auto start = Clock::now();
    logits_of(model, data.features, kEvaluationBatch);
    const std::chrono::duration<double> seconds = Clock::now() - start;
    best = std::max(best, static_cast<double>(data.size()) / seconds.count());
  }
  return best;
}

ModelFigures figures_of(const std::string& name, const Model& model) {
  ModelFigures figures{.name = name, .parameters = parameter_count(model)};
  for (const auto& tensor : state_of(model).tensors)
    figures.bytes += static_cast<int64_t>(tensor.value.nbytes());
  return figures;
}

class Distillation {
 public:
  explicit Distillation(const DistillOptions& options)
      : options_(options),
        teacher_(load_teacher(options)),
        transfer_(load_transfer(options, teacher_)),
        loss_(loss_of(options, transfer_)),
        description_(read_json(options.student)),
        make_student_(model_from_json(description_, options.student, teacher_.data.train.shape,
                                      teacher_.data.train.classes)) {
    try {
      matched(new_student(options.seed));
    } catch (const Error& problem) {
      throw InputError(options.student, problem.what());
    }
  }

  DistillResult carry_out() {
    const std::string folder = new_folder();
    at::set_num_threads(static_cast<int>(teacher_.experiment.compute.threads_per_client));
    DistillResult result;
    result.folder = folder;
    result.claim = student_claim(teacher_.record, options_.transfer_is_public);
    result.transfer_examples = transfer_.examples.size();
    result.teacher = figures_of(teacher_.record.name, *teacher_.model);
    judge(*teacher_.model, result.teacher);
    result.teacher.examples_per_second = classified_per_second(*teacher_.model, teacher_.test);
    targets_ = soften(logits_of(*teacher_.model, transfer_.examples.features, kEvaluationBatch),
                      loss_.temperature);
    layers_ = layer_targets(*teacher_.model, transfer_.examples.features, options_.matches,
                            kEvaluationBatch);
    for (int64_t i = 0; i < options_.seeds; ++i) one_seed(options_.seed + i, result);
    write_text(folder, result);
    return result;
  }

 private:
  std::string student_name() const { return fs::path(options_.student).stem().string(); }

  std::string new_folder() const {
    std::string folder = options_.out;
    if (folder.empty())
      folder = (fs::path(options_.teacher) / "").parent_path().string() + "-" + student_name();
    if (fs::exists(folder) && (!fs::is_directory(folder) || !fs::is_empty(folder)))
      throw InputError("--out " + folder, "holds files already; name a new folder");
    create_folders(folder);
    return folder;
  }

  void say(const std::string& line) const {
    if (options_.on_progress) options_.on_progress(line);
  }

  void judge(Model& model, ModelFigures& figures) const {
    figures.accuracies.push_back(evaluate(model, teacher_.test, kEvaluationBatch).accuracy());
    char text[32];
    std::snprintf(text, sizeof text, "%.2f %%", 100 * figures.accuracies.back());
    say(figures.name + ": " + text);
  }

  std::shared_ptr<Model> new_student(int64_t seed) const {
    RandomStream weights(RandomKey::from_seed(static_cast<uint64_t>(seed)),
                         {Purpose::initial_weights});
    torch::manual_seed(weights.next());
    auto student = make_student_();
    student->to(experiment::scalar_type(teacher_.experiment.compute.dtype));
    return student;
  }

  std::shared_ptr<MatchedStudent> matched(std::shared_ptr<Model> student) const {
    return std::make_shared<MatchedStudent>(std::move(student), *teacher_.model, options_.matches,
                                            transfer_.examples.features.slice(0, 0, 2));
  }

  // train: (plan of one epoch, its streams).
  template <class Train>
  void train_student(const Model& student, int64_t seed, Train train) const {
    const int64_t examples = transfer_.examples.size();
    LocalPlan plan;
    plan.batch_size = std::min(options_.batch_size, examples);
    plan.steps = (examples + plan.batch_size - 1) / plan.batch_size;
    plan.optimizer =
        SgdSpec{.learning_rate = options_.learning_rate, .momentum = options_.momentum};
    for (int64_t epoch = 0; epoch < options_.epochs; ++epoch) {
      plan.learning_rate_factor = learning_rate_factor(CosineSchedule{}, epoch, options_.epochs);
      const StreamOwner owner{RandomKey::from_seed(static_cast<uint64_t>(seed)), 0, epoch};
      seed_random_layers(owner);
      train(plan, owner);
    }
    if (!all_finite(state_of(student)))
      throw Error(
          "the student's weights are no longer numbers; lower --learning-rate or "
          "--temperature, whose square multiplies the loss");
  }

  // Both from the same initial weights, on the same batches.
  void one_seed(int64_t seed, DistillResult& result) const {
    const auto student = new_student(seed);
    const auto follower = matched(student);
    train_student(*student, seed, [&](const LocalPlan& plan, const StreamOwner& owner) {
      distill(*follower, transfer_.examples, targets_, layers_, loss_, plan, owner);
    });
    if (seed == options_.seed) {
      result.student = figures_of(student_name() + ", distilled", *student);
      result.student.examples_per_second = classified_per_second(*student, teacher_.test);
      save_state(state_of(*student), result.folder + "/student.safetensors");
    }
    judge(*student, result.student);
    if (!transfer_.labelled) return;
    const auto alone = new_student(seed);
    train_student(*alone, seed, [&](const LocalPlan& plan, const StreamOwner& owner) {
      train(*alone, transfer_.examples, plan, owner);
    });
    if (!result.alone) {
      result.alone = figures_of(student_name() + ", labels alone", *alone);
      result.alone->examples_per_second = classified_per_second(*alone, teacher_.test);
    }
    judge(*alone, *result.alone);
  }

  Json written(const ModelFigures& figures) const {
    return {{"parameters", figures.parameters},
            {"bytes", figures.bytes},
            {"accuracies", figures.accuracies},
            {"examples_per_second", figures.examples_per_second}};
  }

  Json written_matches() const {
    Json list = Json::array();
    for (const auto& match : options_.matches)
      list.push_back({{"kind", match.kind == MatchKind::hint ? "hint" : "attention"},
                      {"teacher", match.teacher},
                      {"student", match.student},
                      {"weight", match.weight}});
    return list;
  }

  void write_text(const std::string& folder, const DistillResult& result) const {
    Json record = {{"privacy", result.claim},
                   {"teacher_run", teacher_.record.id},
                   {"transfer", options_.transfer.empty() ? teacher_.info.name : options_.transfer},
                   {"transfer_is_public", options_.transfer_is_public},
                   {"transfer_skipped", options_.skip},
                   {"transfer_examples", result.transfer_examples},
                   {"temperature", loss_.temperature},
                   {"hard_weight", loss_.hard_weight},
                   {"matches", written_matches()},
                   {"epochs", options_.epochs},
                   {"batch_size", options_.batch_size},
                   {"learning_rate", options_.learning_rate},
                   {"momentum", options_.momentum},
                   {"seed", options_.seed},
                   {"seeds", options_.seeds},
                   {"teacher", written(result.teacher)},
                   {"student", written(result.student)}};
    if (result.alone) record["alone"] = written(*result.alone);
    write_file_atomically(folder + "/student.json", description_.dump(2) + "\n");
    write_file_atomically(folder + "/distillation.json", record.dump(2) + "\n");
  }

  const DistillOptions& options_;
  Teacher teacher_;
  Transfer transfer_;
  DistillationLoss loss_;
  Json description_;
  ModelFactory make_student_;
  torch::Tensor targets_;
  std::vector<torch::Tensor> layers_;
};

}  // namespace

double ModelFigures::mean_accuracy() const { return spread_of(accuracies).mean; }

double ModelFigures::accuracy_deviation() const {
  const auto n = static_cast<double>(accuracies.size());
  return n < 2 ? 0.0 : spread_of(accuracies).standard_deviation * std::sqrt(n / (n - 1));
}

DistillResult distill(const DistillOptions& options) { return Distillation(options).carry_out(); }

std::string student_claim(const RunRecord& teacher, bool transfer_is_public) {
  const auto has_guarantee = [](const PrivacyStatement& p) {
    return p.guarantee != Guarantee::none;
  };
  if (!std::ranges::any_of(teacher.privacy, has_guarantee))
    return "NO DP GUARANTEE. The teacher was trained without privacy, and the student learns from "
           "what it answers.";
  if (!transfer_is_public)
    return "NO DP GUARANTEE. The student learned from its transfer examples without noise, and the "
           "teacher's guarantee does not cover that; a public transfer set would keep it.";
  return privacy_claim(teacher) +
         " What holds for the teacher holds for the student, which saw public examples only beside "
         "it (post-processing).";
}

}  // namespace starling
