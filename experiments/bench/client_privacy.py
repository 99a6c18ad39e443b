#!/usr/bin/env python3
"""Overhead of client-level privacy on a round, with the same Poisson participation without it.

    client_privacy.py build/starling experiments/mnist_fedavg.json [--set /rounds=60] [--repeats 5]

Runs of the two alternate, so that a busy machine slows both. Cohorts differ from run to run: rounds
are compared with rounds of as many steps, and private training metrics are on to tell which these
are. Clip norm and learning rate are so small that both keep their initial weights, and hence train
on equal numbers.
"""
import collections
import json
import pathlib
import statistics
import tempfile

import whole_runs

PRIVACY = {"unit": "client", "epsilon": 8, "delta": 1e-3, "clip_norm": 1e-4,
           "reveal_private_metrics": True}
# Settings of each kind, and the table that tells the steps of its rounds.
KINDS = {
    "plain": ([], "training.csv"),
    "private": (["/privacy=" + json.dumps(PRIVACY)], "private.csv"),
}


def run(kind, arguments, folder):
    """Steps and seconds of every round but the first."""
    settings, table = KINDS[kind]
    participation = {"kind": "poisson", "rate": arguments.rate}
    whole_runs.run(arguments, folder, arguments.workers,
                   ["/participation=" + json.dumps(participation), "/strategy/weights=uniform",
                    "/local/optimizer/learning_rate=1e-6", *settings])
    steps = whole_runs.column(folder / table, "steps")
    return list(zip(steps[1:], whole_runs.seconds_of_rounds(folder)))


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
    parser = whole_runs.parser(__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    rounds = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as work:
        for repeat in range(arguments.repeats):
            for kind in KINDS:
                rounds[kind] += run(kind, arguments, pathlib.Path(work) / f"{repeat}-{kind}")
    means = compare(rounds)
    for kind, seconds in means.items():
        print(f"{kind:8} {1000 * seconds:8.2f} ms a round over {len(rounds[kind])} rounds")
    print(f"ratio {means['private'] / means['plain']:.3f}")


if __name__ == "__main__":
    main()
