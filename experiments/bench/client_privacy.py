#!/usr/bin/env python3
"""Overhead of client-level privacy on a round, with the same Poisson participation without it.

    client_privacy.py build/starling experiments/mnist_fedavg.json [--set /rounds=60] [--repeats 5]

Runs of the two alternate, so that a busy machine slows both. Cohorts differ from run to run: rounds
are compared with rounds of as many steps, and private training metrics are on to tell which these
are. Clip norm and learning rate are so small that both keep their initial weights, and hence train
on equal numbers.
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

PRIVACY = {"unit": "client", "epsilon": 8, "delta": 1e-3, "clip_norm": 1e-4,
           "reveal_private_metrics": True}
SETTINGS = {
    "plain": [],
    "private": ["/privacy=" + json.dumps(PRIVACY)],
}


def column(folder, tables, name):
    with open(next(folder / table for table in tables if (folder / table).exists())) as table:
        return [float(row[name]) for row in csv.DictReader(table)]


def seconds_by_steps(folder):
    ends = column(folder, ["timings.csv"], "seconds")
    steps = column(folder, ["training.csv", "private.csv"], "steps")
    return [(steps[i], ends[i] - ends[i - 1]) for i in range(1, len(ends))]


def run(kind, arguments, folder):
    settings = [f'/participation={{"kind": "poisson", "rate": {arguments.rate}}}',
                "/strategy/weights=uniform", "/local/optimizer/learning_rate=1e-6",
                *SETTINGS[kind], *arguments.set]
    words = [word for value in settings for word in ("--set", value)]
    subprocess.run([arguments.program, "run", arguments.experiment, "--quiet", "--threads",
                    str(arguments.workers), "--out", str(folder), *words], check=True,
                   env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(folder) + ".state"})
    return seconds_by_steps(folder)


def compare(rounds):
    """Means over numbers of steps that both have, of the medians at each."""
    by_steps = {kind: collections.defaultdict(list) for kind in rounds}
    for kind, all_rounds in rounds.items():
        for steps, seconds in all_rounds:
            by_steps[kind][steps].append(seconds)
    common = set.intersection(*(set(groups) for groups in by_steps.values()))
    weights = {steps: min(len(groups[steps]) for groups in by_steps.values()) for steps in common}
    return {kind: sum(weights[steps] * statistics.median(groups[steps]) for steps in common)
            / sum(weights.values()) for kind, groups in by_steps.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("experiment")
    parser.add_argument("--set", action="append", default=[], metavar="/POINTER=VALUE")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    rounds = {kind: [] for kind in SETTINGS}
    with tempfile.TemporaryDirectory() as work:
        for repeat in range(arguments.repeats):
            for kind in SETTINGS:
                rounds[kind] += run(kind, arguments, pathlib.Path(work) / f"{repeat}-{kind}")
    means = compare(rounds)
    for kind, seconds in means.items():
        print(f"{kind:8} {1000 * seconds:8.2f} ms a round over {len(rounds[kind])} rounds")
    print(f"ratio {means['private'] / means['plain']:.3f}")


if __name__ == "__main__":
    main()
