"""Times what a worker does in a step besides computing: .bench/results/steps.json.

    .bench/venv/bin/python Deploy/bench/steps.py --rounds 3
"""

import argparse
import json
from statistics import median

from common import APUS, output, save

SEQUENCES = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    result = {"sequences": SEQUENCES}
    for name, temperature in [("greedy", 0), ("sampled", 0.8)]:
        runs = [
            json.loads(output(APUS, "bench", "--steps", "--concurrency", SEQUENCES, "--temperature", temperature))
            ["step_us_by_vocabulary"] for _ in range(rounds)]
        result[name] = {size: median(run[size] for run in runs) for size in runs[0]}
    save("steps", result)


if __name__ == "__main__":
    main()
