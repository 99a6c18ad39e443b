#!/usr/bin/env python3
"""Breaks one privacy-relevant line at a time and shows that a test fails each time.

    tests/mutants.py [--build DIR] [--only TEXT] [--jobs N]

Works on a copy of the tracked files in DIR (default build-mutants/), which keeps its own build, so
that a second run compiles only what changed. Each mutant is an exact string that must stand in its
file exactly once; a string that is not there any more, a mutant that does not compile, a test that
fails without a mutant and a mutant that no test catches are all failures. LibTorch is found as in
any build: give CMAKE_PREFIX_PATH in the environment.
"""
import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# name, file, the line as it is, the line as an attacker or a slip would have it, test program,
# tests that may catch it
MUTANTS = [
    ("noise times 0.8", "include/starling/privacy/plan.h",
     "return noise_multiplier * clip_norm;", "return 0.8 * noise_multiplier * clip_norm;",
     "test_train", "DpOptimizer.*:SecureNoise.*"),
    ("secure noise times 0.8", "src/privacy/mechanism.cpp",
     "Dyadic::of(sum.grid().steps(standard_deviation_), \"GaussianNoise: standard deviation\");",
     "Dyadic::of(0.8 * sum.grid().steps(standard_deviation_), \"\");",
     "test_privacy", "GaussianNoise.*"),
    ("noise not scaled by the clip norm", "src/privacy/mechanism.cpp",
     "standard_deviation_(product(noise_multiplier, positive(clip, \"GaussianNoise: clip\"),",
     "standard_deviation_(product(noise_multiplier, positive(clip / clip, \"\"),",
     "test_privacy", "GaussianNoise.*"),
    ("no noise for the last parameter", "src/train/float_release.cpp",
     "      add_noise(sum, noise, deviation_, scale_);",
     "      add_noise(sum, noise, parameter.is_same(parameters_.back()) ? 0.0 : deviation_, scale_);",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("no noise on an empty batch", "src/train/float_release.cpp",
     "      if (!sum.defined()) sum = torch::zeros_like(parameter, torch::MemoryFormat::Contiguous);",
     "      if (!sum.defined()) continue;",
     "test_train", "DpOptimizer.*"),
    ("noise stream reused in every step", "src/train/dp_optimizer.cpp",
     "{Purpose::noise, owner_.client, owner_.round, position}",
     "{Purpose::noise, owner_.client, owner_.round, 0 * position}",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("noise stream shared by all clients", "src/train/dp_optimizer.cpp",
     "{Purpose::noise, owner_.client, owner_.round, position}",
     "{Purpose::noise, 0 * owner_.client, owner_.round, position}",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("noise stream of the round reused in the next", "src/train/dp_optimizer.cpp",
     "{Purpose::noise, owner_.client, owner_.round, position}",
     "{Purpose::noise, owner_.client, 0 * owner_.round, position}",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("divisor of half the batch", "include/starling/privacy/plan.h",
     "double divisor() const { return expected_batch; }",
     "double divisor() const { return expected_batch / 2; }",
     "test_train", "DpOptimizer.*"),
    ("TensorFloat-32 on a GPU", "src/nn/graph/full_precision.cpp",
     "context.setFloat32Precision(backend, operation, Float32Precision::IEEE);",
     "context.setFloat32Precision(backend, operation, Float32Precision::TF32);",
     "test_graph", "FullPrecision.*"),
    ("guessable dropout masks on a GPU", "src/experiment/prepare.cpp",
     "if (!is_private(experiment.privacy) || federation.device.is_cpu()) return;",
     "if (!is_private(experiment.privacy) || !federation.device.is_cpu()) return;",
     "test_experiment", "RunOnADevice.*"),
    ("clip after the sum", "src/nn/graph/clipping.cpp",
     "return norm <= bound ? 1.0 : bound / norm * margin;", "return norm <= bound ? 1.0 : 1.0 + 0 * margin;",
     "test_graph", "*PerExampleBounds*"),
    ("clip factor without the rounding margin", "src/nn/graph/clipping.cpp",
     "return 1.0 - 4 * static_cast<double>(std::numeric_limits<float>::epsilon());",
     "return 1.0 + 4e-5;",
     "test_graph", "*PerExampleBounds*"),
    ("automatic clipping without its norm", "src/nn/graph/clipping.cpp",
     "values[p][b] = clipping.norm / (norms[b] + clipping.stability) * margin;",
     "values[p][b] = 1.0 / (norms[b] + clipping.stability) * margin;",
     "test_graph", "*PerExampleBounds*"),
    ("a non-finite example keeps its factor", "src/nn/graph/clipping.cpp",
     "      ++result.report.non_finite;\n      continue;", "      ++result.report.non_finite;",
     "test_graph", "*PerExampleBounds*"),
    ("a weighted product forgets the weights", "src/nn/graph/kernels_product.h",
     "to[r] *= factors[t];", "to[r] *= factors[t] < 0 ? 0 : 1;",
     "test_graph", "*PerExample*:GraphKernels.*"),
    ("a looked-up row forgets its example's weight", "src/nn/graph/embedding.cpp",
     "to[j] += factor[i / length] * from[j];", "to[j] += from[j] * (factor[i / length] != 0);",
     "test_graph", "*PerExample*"),
    ("kept gradients of a forgotten example stay", "src/nn/graph/kept_rows.cpp",
     "    pieces_[i] = torch::where(kept.view({-1, 1}), pieces_[i], torch::zeros({}, options_));\n",
     "    if (i > 0) pieces_[i] = torch::where(kept.view({-1, 1}), pieces_[i], pieces_[i] * 0);\n",
     "test_graph", "*PerExampleBounds*:ExampleRows.*"),
    ("entries of mixed examples count as nobody's", "src/nn/graph/ownership.cpp",
     "return {certain ? Evidence::mixed : Evidence::unknown, 0};", "return {Evidence::none, 0};",
     "test_graph", "*PerExample*:PeersGetWrong.*"),
    ("every thread draws the same noise", "src/core/random.cpp",
     "source_->ahead(static_cast<uint64_t>(begin * kBytes));",
     "source_->ahead(static_cast<uint64_t>(0 * begin * kBytes));",
     "test_core", "AddNormal.*"),
    ("norms before all uses of a parameter have come", "src/nn/graph/clipped_backward.cpp",
     "if (uses_[edge.slot] == 1 && plan_.tape.slots[edge.slot].is_view)",
     "if (plan_.tape.slots[edge.slot].is_view)",
     "test_graph", "*PerExample*:PeersGetWrong.*"),
    ("per-layer bounds of the whole norm each", "src/nn/graph/clipping.cpp",
     "const double each = clipping.norm / std::sqrt(static_cast<double>(parameters));",
     "const double each = clipping.norm;",
     "test_graph", "*PerExampleBounds*"),
    ("the grid takes a vector that is not finite", "src/core/grid.cpp",
     "  if (!std::isfinite(result.norm)) {\n    result.finite = false;",
     "  if (!std::isfinite(result.norm)) {\n    result.finite = true;",
     "test_core", "*Grid*"),
    ("the grid rounds to nearest, not toward zero", "src/core/grid_kernels.cpp",
     "const uint64_t above = shifted - 0x1p52 > magnitude ? 1 : 0;",
     "const uint64_t above = shifted - 0x1p52 > magnitude ? 0 : 0;",
     "test_core", "*Grid*"),
    ("ledger count halved", "src/train/dp_optimizer.cpp",
     "entry.count = plan.releases(steps);", "entry.count = plan.releases(steps) / 2;",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("ledger after the release", "src/train/dp_optimizer.cpp",
     "  pay_for_step();\n  begin_step();", "  begin_step();",
     "test_train", "DpOptimizer.*:PrivateTraining.*"),
    ("lines are on the way, not on the disk", "src/core/files.cpp",
     "  if (::fdatasync(descriptor_) != 0) fail(path_, \"cannot be flushed to the disk\");\n", "",
     "test_reliability", "Faults.*"),
    ("a checkpoint is renamed before it is on the disk", "src/core/files.cpp",
     "    file.sync();\n", "",
     "test_reliability", "Faults.*"),
    ("a checkpoint's checksum is not looked at", "src/core/checkpoint.cpp",
     "if (digest(content) != bytes.substr(content.size()))", "if (content.empty())",
     "test_reliability", "Checkpoints.*"),
    ("a replay of other content counts once", "src/privacy/ledger.cpp",
     "return ledger_text::content(lines_[known.second]) == content;",
     "return !content.empty() && known.second >= 0;",
     "test_privacy", "Ledger*"),
    ("a changed ledger line passes", "src/privacy/ledger_text.cpp",
     "if (sha256_hex(hashed) != stated) {", "if (stated.empty()) {",
     "test_privacy", "Ledger*"),
    ("rate doubled in the sampler", "src/train/trainer.cpp",
     "return {plan.sampling, examples, plan.batch_size, plan.sample_rate, owner};",
     "return {plan.sampling, examples, plan.batch_size, std::min(1.0, 2 * plan.sample_rate), owner};",
     "test_train", "PrivateTraining.*"),
    ("rate halved in the ledger", "src/privacy/plan.cpp",
     "event.sampling = PoissonSampling{sample_rate};",
     "event.sampling = PoissonSampling{sample_rate / 2};",
     "test_privacy", "PlanTest.*"),
    ("shuffle charged below the epochs begun", "src/privacy/plan.cpp",
     "return sampling == SamplingKind::shuffle ? ceil_divide(steps, steps_per_epoch()) : steps;",
     "return sampling == SamplingKind::shuffle ? steps / steps_per_epoch() : steps;",
     "test_privacy", "PlanTest.*"),
    ("shuffle allowed under add_remove", "src/privacy/plan.cpp",
     "require(plan.relation != Relation::add_remove, place,\n            \"relation add_remove does not go",
     "require(true, place,\n            \"relation add_remove does not go",
     "test_privacy", "PlanTest.*"),
    ("plan takes noise of zero", "src/privacy/mechanism.cpp",
     "if (!(value > 0.0 && std::isfinite(value))) {", "if (!(value >= 0.0)) {",
     "test_privacy", "Mechanisms.*"),
    ("batch norm passes", "src/train/dp_optimizer.cpp",
     "  return is_batch_norm(module) || keeps_statistics<nn::InstanceNorm1dImpl>(module) ||",
     "  return keeps_statistics<nn::InstanceNorm1dImpl>(module) ||",
     "test_train", "DpOptimizer.*"),
    ("changed buffers are uploaded", "src/federated/client.cpp",
     "  if (task.privacy || task.fixed_buffers) refuse_changed_buffers(global, update.state);\n", "",
     "test_federated", "Client.*"),
    ("insecure runs keep their promise", "src/report/claim.cpp",
     "return p.guarantee == Guarantee::dp && std::isfinite(p.epsilon) && p.delta < 1.0;",
     "return std::isfinite(p.epsilon) && p.delta < 1.0;",
     "test_report", "*"),
    ("a replace_one pair of half the distance", "src/privacy/terms.cpp",
     "double sensitivity() const { return relation == Relation::replace_one ? 2.0 : 1.0; }",
     "double sensitivity() const { return 1.0; }",
     "test_privacy", "Exact*:Rdp*:Calibrate*:Gaussian*:*ReplaceOne*"),
    ("server noise without the weight cap", "src/federated/server.cpp",
     "                            clip_norm_ * static_cast<double>(plan.weight_cap));",
     "                            clip_norm_ * 1.0 / static_cast<double>(plan.weight_cap));",
     "test_federated", "ClientPrivacy.*"),
    ("an empty cohort releases nothing", "src/federated/server.cpp",
     "  if (options_.privacy) {\n    add_noise(sum, round, key);",
     "  if (options_.privacy && sum.clients() > 0) {\n    add_noise(sum, round, key);",
     "test_federated", "ClientPrivacy.*"),
    ("server noise the same in every round", "src/federated/server.cpp",
     "draw(sum.sum(), {Purpose::server_noise, -1, round});",
     "draw(sum.sum(), {Purpose::server_noise, -1, 0});",
     "test_federated", "ClientPrivacy.*"),
    ("noise on example sums times 0.8", "src/federated/server.cpp",
     "GaussianNoise noise(plan.noise_multiplier,", "GaussianNoise noise(0.8 * plan.noise_multiplier,",
     "test_federated", "ExampleSums.*"),
    ("a sum of example gradients left out in silence", "src/federated/server.cpp",
     "if (collector.rejected() > 0)", "if (collector.rejected() > 1)",
     "test_federated", "ExampleSums.*"),
    ("the realised cohort as divisor", "src/federated/server.cpp",
     "const double divisor = plan ? plan->divisor() : static_cast<double>(sum.weight());",
     "const double divisor = std::max(1.0, static_cast<double>(sum.weight()));",
     "test_federated", "ClientPrivacy.*"),
    ("adaptive clipping for free", "src/privacy/round_plan.cpp",
     "             ? adaptive_clipping_noise_multiplier(noise_multiplier, adaptive->bit_noise_multiplier)",
     "             ? noise_multiplier",
     "test_privacy", "RoundPlan.*"),
    ("a tree charged for one round", "src/privacy/round_plan.cpp",
     "event.mechanism = TreeMechanism{noise_multiplier, tree->restart_every, 1,",
     "event.mechanism = TreeMechanism{noise_multiplier, 1, 1,",
     "test_privacy", "RoundPlan.*"),
    ("uploads are not clipped", "src/federated/update_sum.cpp",
     "      clip_to_grid(clip_grid_, scales ?", "      clip_to_grid(rule_.grid, scales ?",
     "test_strategy", "UpdateSum.*"),
    ("the server's budget is not asked", "src/experiment/spending.cpp",
     "affords_plan_ = !client_target_ || server_epsilon(plan.rounds) <= *client_target_;",
     "affords_plan_ = true;",
     "test_experiment", "SpendingTest.*"),
    ("noise on column sums halved", "src/privacy/column_sums.cpp",
     "GaussianNoise(plan.noise_multiplier, plan.clip_norm())",
     "GaussianNoise(plan.noise_multiplier, 0.5 * plan.clip_norm())",
     "test_privacy", "ColumnSums.*"),
    ("column sums of half the sensitivity", "src/privacy/column_sums.cpp",
     "return std::sqrt(static_cast<double>(coordinates()));",
     "return 0.5 * std::sqrt(static_cast<double>(coordinates()));",
     "test_privacy", "ColumnSums.*"),
    ("a private number of records divides", "src/privacy/column_sums.cpp",
     "return relation == Relation::add_remove || takes_missing[column];",
     "return takes_missing[column];",
     "test_privacy", "ColumnSums.*"),
    ("column sums for free in the plan", "src/experiment/plan.cpp",
     "  if (plan.first) composition.events.push_back(*plan.first);\n", "",
     "test_experiment", "Standardize.*"),
    ("the ledger of repeatable noise looks like any other", "src/experiment/spending.cpp",
     "entry.stream = (plan.insecure_seed ? kInsecureStream : \"\") + stream;",
     "entry.stream = stream;",
     "test_experiment", "SpendingTest.*"),
    ("repeatable noise passes for a guarantee", "src/cli/privacy_run.cpp",
     "if (!has_insecure_seed(ledger)) return \"\";", "return \"\";",
     "test_cli_privacy", "LedgerCliTest.*"),
    ("a delta of one passes for a guarantee", "src/cli/privacy_answer.cpp",
     "return bound.epsilon < kInfinity && bound.delta < 1.0;",
     "return bound.epsilon < kInfinity;",
     "test_cli_privacy", "PrivacyCliTest.*"),
    ("Adam's second moment keeps the noise", "src/train/trainer.cpp",
     "privacy.plan.noise_standard_deviation() / privacy.plan.divisor());",
     "0 * privacy.plan.noise_standard_deviation() / privacy.plan.divisor());",
     "test_train", "AdamBc.*"),
    ("column sums not in the ledger", "src/experiment/spending.cpp",
     "  ledger_.record(entries);\n  return paid;", "  return paid;",
     "test_experiment", "Standardize.*"),
]


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **options)


def copy_sources(tree):
    """Brings the copy up to date; untouched files keep their times, so that little is rebuilt."""
    os.makedirs(tree, exist_ok=True)
    files = run(["git", "-C", ROOT, "ls-files", "-z"]).stdout.split("\0")
    for name in filter(None, files):
        with open(os.path.join(ROOT, name), "rb") as file:
            wanted = file.read()
        put(os.path.join(tree, name), wanted)


def put(path, wanted):
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == wanted:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(wanted)


def build(folder, programs, jobs):
    return run(["ninja", "-C", folder, "-j", str(jobs)] + programs)


def passes(folder, program, tests):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    command = [os.path.join(folder, "tests", program), "--gtest_brief=1",
               "--gtest_filter=" + tests + "-*Long*:*Campaign*"]
    result = run(command, env=environment, timeout=900)
    if "[==========] 0 tests" in result.stdout:
        raise SystemExit(f"{program}: no test is named {tests}")
    return result.returncode == 0


def verdict(mutant, tree, folder, jobs):
    """'' where the mutant is caught, else what is wrong."""
    _, file, whole, broken, program, tests = mutant
    path = os.path.join(tree, file)
    with open(path, encoding="utf-8") as source:
        original = source.read()
    if original.count(whole) != 1:
        return f"stands {original.count(whole)} times in {file}; bring the mutant up to date"
    put(path, original.replace(whole, broken).encode())
    try:
        built = build(folder, [program], jobs)
        if built.returncode != 0:
            return "does not compile:\n" + built.stdout[-2000:]
        return "NOT CAUGHT by any test" if passes(folder, program, tests) else ""
    finally:
        put(path, original.encode())


def configure(tree, folder):
    if os.path.exists(os.path.join(folder, "build.ninja")):
        return
    result = run(["cmake", "-S", tree, "-B", folder, "-G", "Ninja",
                  "-DCMAKE_BUILD_TYPE=Release", "-DSTARLING_BUILD_TESTS=ON"])
    if result.returncode != 0:
        raise SystemExit(result.stdout[-3000:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build-mutants"))
    parser.add_argument("--only", default="", help="mutants whose name holds this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    tree, folder = os.path.join(arguments.build, "tree"), os.path.join(arguments.build, "build")
    chosen = [mutant for mutant in MUTANTS if arguments.only in mutant[0]]

    copy_sources(tree)
    configure(tree, folder)
    programs = sorted({mutant[4] for mutant in chosen})
    built = build(folder, programs, arguments.jobs)
    if built.returncode != 0:
        raise SystemExit(built.stdout[-3000:])
    for program in programs:
        tests = ":".join(sorted({mutant[5] for mutant in chosen if mutant[4] == program}))
        if not passes(folder, program, tests):
            raise SystemExit(f"{program} fails without any mutant")

    survivors = 0
    for mutant in chosen:
        start = time.monotonic()
        problem = verdict(mutant, tree, folder, arguments.jobs)
        survivors += problem != ""
        print(f"{'caught' if not problem else 'FAILED':8}{mutant[0]:50}"
              f"{time.monotonic() - start:6.0f} s  {problem}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants are caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
