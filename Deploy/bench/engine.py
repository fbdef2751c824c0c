"""Measures the engines in turn on the same files, threads and machine, one process each.

    .bench/venv/bin/python Deploy/bench/engine.py [--rounds 3] [--threads N] [NAME ...]     all models without names

Medians over rounds go to .bench/results/engine-NAME.json. A peer that fails leaves its cells empty and stops nothing.
What the machine can do at most is measured in each round too, and the best counts: others may use it at times.
"""

import argparse
import datetime
import json
import os
import statistics

from common import APUS, output, save, undisturbed
from models import NAMES, layer_parameters, path_of
from peers import CELLS, ENGINES


def measure(name, rounds, threads):
    rows = {engine: [] for engine in ENGINES}
    shares = {engine: [] for engine in ENGINES}
    limits = {}
    for _ in range(rounds):
        limits = best(limits, json.loads(output(APUS, "bench", "--limits", "--threads", threads)))
        for engine, run in ENGINES.items():
            rates, share = undisturbed(lambda: run(name, threads))
            if not rates:
                continue
            rows[engine].append(rates)
            shares[engine].append(share)
            figures = ", ".join(f"{cell.name}: {rates[cell.name]:.0f}" for cell in CELLS if cell.name in rates)
            print(f"{name} {engine}: {figures} (others took {share:.0%} of the CPUs)", flush=True)
    return {
        "threads": threads, "rounds": rounds, "date": datetime.date.today().isoformat(),
        "limits": limits,
        "others_share": {engine: statistics.median(measured) for engine, measured in shares.items() if measured},
        "weight_bytes": rows["Apus"][0]["weight_bytes"], "layer_parameters": layer_parameters(path_of(name)),
        "tokens_per_s": {
            engine: {
                cell.name: statistics.median(row[cell.name] for row in measured)
                for cell in CELLS if (measured := [row for row in rows[engine] if cell.name in row])}
            for engine in ENGINES}}


def best(old, new):
    """The larger of two numbers, also within dictionaries."""
    if isinstance(new, dict):
        return {key: best(old.get(key, {} if isinstance(value, dict) else 0), value) for key, value in new.items()}
    return new if isinstance(new, str) else max(old, new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    for name in options.names or NAMES:
        save(f"engine-{name}", measure(name, options.rounds, options.threads))


if __name__ == "__main__":
    main()
