#!/usr/bin/env python3
"""Seconds a round: two MPI ranks of one worker each, beside one process with two workers.

    ranks.py build/starling experiments/mnist_fedavg.json [--set /rounds=20] [--repeats 5]

Runs of the two alternate, so that a busy machine slows both, and their models are compared.
"""
import os
import pathlib
import statistics
import tempfile

import whole_runs

LAYOUTS = {
    "1 process, 2 workers": ([], 2),
    "2 ranks, 1 worker each": (["mpirun", "--bind-to", "core", "-n", "2"], 1),
}
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def run(layout, arguments, folder):
    launcher, workers = LAYOUTS[layout]
    whole_runs.run(arguments, folder, workers, launcher=launcher,
                   environment=ROOT if os.getuid() == 0 else None)
    return whole_runs.seconds_of_rounds(folder), (folder / "model.safetensors").read_bytes()


def main():
    arguments = whole_runs.parser(__doc__.splitlines()[0]).parse_args()
    seconds = {layout: [] for layout in LAYOUTS}
    models = set()
    with tempfile.TemporaryDirectory() as work:
        for repeat in range(arguments.repeats):
            for number, layout in enumerate(LAYOUTS):
                rounds, model = run(layout, arguments, pathlib.Path(work) / f"{repeat}-{number}")
                seconds[layout] += rounds
                models.add(model)
    if len(models) != 1:
        raise SystemExit("the models differ")
    for layout, rounds in seconds.items():
        print(f"{layout:24} median {statistics.median(rounds):.4f} s  minimum {min(rounds):.4f} s")
    one, two = seconds.values()
    print(f"ratio of medians {statistics.median(two) / statistics.median(one):.3f}, "
          f"of minima {min(two) / min(one):.3f}; the models are the same bytes")


if __name__ == "__main__":
    main()
