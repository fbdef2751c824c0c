"""Where things are, and how programs are run."""

import json
import os
import resource
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APUS = ROOT / ".build/release/apus"
# As the image has it.
IMAGE_APUS = ROOT / ".build-lto/release/apus"
LLAMA = ROOT / ".bench/llama/bin"
MODELS = ROOT / ".bench/models"
RESULTS = ROOT / ".bench/results"


def output(*command, timeout=1800):
    """What a command prints. Its complaints go nowhere: llama.cpp's are long."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-300:]}")
    return done.stdout


def save(name, value):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def load(name):
    """What was saved, or nothing."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


class Neighbours:
    """What share of the CPUs went to others, processes or virtual machines, while a block and its children ran."""

    def __enter__(self):
        self.start = self.seconds()
        self.share = 0.0
        return self

    def __exit__(self, *_):
        all_, busy, own = (end - start for start, end in zip(self.start, self.seconds()))
        self.share = max(0.0, busy - own) / all_ if all_ else 0.0

    @staticmethod
    def seconds():
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        idle = ticks[3] + ticks[4]
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        hertz = os.sysconf("SC_CLK_TCK")
        return sum(ticks) / hertz, (sum(ticks) - idle) / hertz, own


MOST_SHARE, ATTEMPTS = 0.05, 4


def undisturbed(run):
    """What `run` returns, and the share of the CPUs that others took meanwhile. While they take more than 5 %, as a
    host's other guests may for a minute, it runs again, 4 times at most; the least disturbed run counts."""
    tries = []
    while len(tries) < ATTEMPTS and (not tries or min(share for _, share in tries) > MOST_SHARE):
        with Neighbours() as neighbours:
            result = run()
        tries.append((result, neighbours.share))
    return min(tries, key=lambda one: one[1])
