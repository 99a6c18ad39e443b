"""Whole runs of the program, for benchmarks that set two kinds of them side by side."""
import argparse
import csv
import os
import subprocess


def parser(description):
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("program")
    flags.add_argument("experiment")
    flags.add_argument("--set", action="append", default=[], metavar="/POINTER=VALUE")
    flags.add_argument("--repeats", type=int, default=5)
    return flags


def run(arguments, folder, workers, settings=(), launcher=(), environment=None):
    """One run into `folder`; `settings` stand before those of the command line."""
    overrides = [word for value in [*settings, *arguments.set] for word in ("--set", value)]
    subprocess.run([*launcher, arguments.program, "run", arguments.experiment, "--quiet",
                    "--threads", str(workers), "--out", str(folder), *overrides], check=True,
                   env={**os.environ, "OMP_NUM_THREADS": "1",
                        "XDG_STATE_HOME": f"{folder}.state", **(environment or {})})


def column(table, name):
    with open(table) as rows:
        return [float(row[name]) for row in csv.DictReader(rows)]


def seconds_of_rounds(folder):
    """Of every round but the first."""
    ends = column(folder / "timings.csv", "seconds")
    return [end - begin for begin, end in zip(ends, ends[1:])]
