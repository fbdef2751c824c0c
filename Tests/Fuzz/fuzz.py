"""Runs the fuzzers, keeps count of what they did, and makes a page of it.

    Tests/Fuzz/fuzz.py run [--seconds 60] [TARGET…]     so much CPU time for each target
    Tests/Fuzz/fuzz.py run --until 3600 [TARGET…]       as much as each target lacks to have had that in all
    Tests/Fuzz/fuzz.py keep [TARGET…]      what was found to reach new code joins corpus/, as little of it as does
    Tests/Fuzz/fuzz.py report              adds what was run to ledger.json and writes Docs/fuzzing.md
    Tests/Fuzz/fuzz.py check [--seconds 5]  a short run from corpus/, which counts for nothing: what CI does

Inputs that the fuzzers make are in .build-fuzz/corpus, what breaks something in .build-fuzz/findings: mend it, and move
the input to regressions/TARGET, which `swift test` goes through. A run that is ended, in whatever way, counts with what it
had done.
"""

import argparse
import concurrent.futures
import contextlib
import ctypes
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / ".build-fuzz"
FUZZ = BUILD / "release/fuzz"
# Built in a third of the time, without the address sanitizer and without optimization.
CHECK = ROOT / ".build-test/fuzz"
# What ran here since the last report, what runs, and what all machines ran until then.
RECENT, RUNNING, LEDGER = BUILD / "ledger.json", BUILD / "running", HERE / "ledger.json"
FOUND, FINDINGS = BUILD / "corpus", BUILD / "findings"
PAGE = ROOT / "Docs/fuzzing.md"
MEGABYTES_MAX = 2048
# Of CPU time: targets take turns, so that all have had about as much whenever a run ends.
TURN_SECONDS = 120
# The driver ends an input that computes for too long. This is for one that waits for nothing, and by the clock.
WAIT_SECONDS_MAX = 3600
# Swift keeps flags in bits of its pointers, which the search for leaks takes for other numbers. Where Swift tells of a trap
# itself, libFuzzer does not hear of it and keeps no input.
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "SWIFT_BACKTRACE": "enable=no"}
# Of what is kept in the repository for one target, beside its seeds.
KEPT_BYTES, KEPT_COUNT = 16_000, 40
LIBC, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1


def folders(target):
    kept = [HERE / kind / target for kind in ("corpus", "regressions")]
    return [folder for folder in kept if folder.is_dir()]


class Turn:
    """One fuzzer at work for so many seconds of CPU time."""

    def __init__(self, target, seconds):
        self.target, self.seconds, self.noted = target, seconds, 0
        self.log = BUILD / f"{target}.log"
        (FOUND / target).mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [FUZZ, target, f"-timeout={WAIT_SECONDS_MAX}", f"-report_slow_units={WAIT_SECONDS_MAX}",
                 f"-rss_limit_mb={MEGABYTES_MAX}", "-print_final_stats=1", "-interrupted_exitcode=0",
                 f"-artifact_prefix={FINDINGS}/{target}-", FOUND / target, *folders(target)],
                stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT,
                # Does not go on when nobody is there to end it.
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1))

    def look(self):
        """Ends the turn when its time is over. Returns what it did in all: None while it runs."""
        done, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if done:
            # One that is ended before libFuzzer listens dies of the signal.
            ended_well = os.waitstatus_to_exitcode(status) in (0, -signal.SIGUSR1)
            self.note(usage.ru_utime + usage.ru_stime, findings=int(not ended_well))
            (RUNNING / self.target).unlink()
            enter(self.target, self.figures)
            return self.figures
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if used >= self.noted + 5:
            self.note(used)
        if used >= self.seconds:
            self.end()
        return None

    def end(self):
        # libFuzzer then finishes its input and says what it did.
        self.process.send_signal(signal.SIGUSR1)

    def note(self, cpu_seconds, findings=0):
        """What it did so far goes to a file, for the case that nobody is there when it ends."""
        self.noted = cpu_seconds
        text = self.log.read_text(errors="replace")

        def last(pattern):
            found = re.findall(pattern, text)
            return int(found[-1]) if found else 0

        self.figures = {
            "cpu_seconds": cpu_seconds, "edges": last(r"cov: (\d+)"), "findings": findings,
            "executions": last(r"stat::number_of_executed_units: (\d+)") or last(r"#(\d+)\s"),
            "peak_megabytes": last(r"stat::peak_rss_mb: +(\d+)") or last(r"rss: (\d+)Mb"),
            "inputs": len(list((FOUND / self.target).iterdir()))}
        (RUNNING / self.target).write_text(json.dumps({"runner": os.getpid(), "figures": self.figures}))


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def enter(target, figures):
    """Adds one turn to what ran here."""
    recent = read(RECENT)
    add(recent, target, figures)
    RECENT.write_text(json.dumps(recent, indent=1))


def enter_interrupted():
    """What turns did that nobody saw the end of."""
    for path in RUNNING.glob("*"):
        noted = read(path)
        if not Path(f"/proc/{noted['runner']}").exists():
            enter(path.name, noted["figures"])
            path.unlink()


def add(ledger, target, figures):
    """Times and counts add up; of the rest the most counts."""
    entry = ledger.setdefault(target, dict.fromkeys(figures, 0))
    for name, figure in figures.items():
        entry[name] = entry[name] + figure if name in ("cpu_seconds", "executions", "findings") else max(entry[name], figure)


def lacking(targets, seconds):
    """What CPU time each target lacks to have had so much, in all runs."""
    had = [read(path) for path in (LEDGER, RECENT)]
    return {target: seconds - sum(ledger.get(target, {}).get("cpu_seconds", 0) for ledger in had) for target in targets}


def run(left, jobs):
    """Turns of all targets, in which those come first that have most left to run; one that finds something has its last."""
    for folder in (FINDINGS, RUNNING):
        folder.mkdir(exist_ok=True)
    turns, failed = [], []
    try:
        while True:
            while len(turns) < jobs:
                taken = [turn.target for turn in turns] + failed
                free = [target for target, seconds in left.items() if seconds >= 1 and target not in taken]
                if not free:
                    break
                target = max(free, key=left.get)
                turns.append(Turn(target, min(left[target], TURN_SECONDS)))
            if not turns:
                return failed
            time.sleep(0.5)
            for turn in list(turns):
                if figures := turn.look():
                    turns.remove(turn)
                    left[turn.target] -= figures["cpu_seconds"]
                    tell(turn, figures)
                    failed += [turn.target] * figures["findings"]
    finally:
        for turn in turns:
            turn.end()
        while turns:
            time.sleep(0.1)
            turns = [turn for turn in turns if not turn.look()]


def tell(turn, figures):
    print(f"{turn.target:12} {figures['executions']:>10} executions, {figures['cpu_seconds']:.0f} CPU seconds, "
          f"{figures['edges']} edges" + (f": FAILED, see {turn.log}" if figures["findings"] else ""), flush=True)


def check(targets, seconds, jobs):
    """A short run of each target, by chance that hangs on the commit: what fails is found again, and the next commit's is
    another. Returns the targets that fail, and says how to see it again."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    findings = CHECK / "findings"
    findings.mkdir(exist_ok=True)

    def check_one(target):
        with tempfile.TemporaryDirectory() as found:
            ran = subprocess.run(
                [CHECK / "debug/fuzz", target, f"-seed={int(commit[:7] or '1', 16)}", f"-max_total_time={seconds}",
                 f"-report_slow_units={WAIT_SECONDS_MAX}", f"-rss_limit_mb={MEGABYTES_MAX}", "-print_final_stats=1",
                 f"-artifact_prefix={findings}/{target}-", found, *folders(target)],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        return target, ran.returncode, ran.stdout.decode(errors="replace")

    failed = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for target, code, said in pool.map(check_one, targets):
            if code == 0:
                count = re.search(r"stat::number_of_executed_units: (\d+)", said)
                print(f"{target:12} {count[1] if count else '?':>8} executions", flush=True)
                continue
            failed.append(target)
            written = re.search(r"Test unit written to (\S+)", said)
            print(f"{said[-6000:]}\n{target} FAILED. Again: {CHECK}/debug/fuzz {target} {written[1] if written else ''}\n"
                  f"Once it is mended: mv {written[1] if written else 'the input'} {HERE}/regressions/{target}/", flush=True)
    return failed


def keep(target):
    """Replaces what was kept by inputs that reach as much as is reached, or a part of them of all sizes; seeds always stay."""
    folder, merged, found = HERE / "corpus" / target, BUILD / "merged" / target, BUILD / "found" / target
    for each in (merged, found):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    # A fuzzer that runs meanwhile puts smaller inputs in the place of larger ones.
    for path in list((FOUND / target).iterdir()):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(path, found)
    subprocess.run(
        [FUZZ, target, "-set_cover_merge=1", f"-timeout={WAIT_SECONDS_MAX}", merged, *folders(target), found], check=True,
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for old in folder.iterdir():
        if not old.name.startswith("seed-"):
            old.unlink()
    seeds = {each.read_bytes() for each in folder.iterdir()}
    reached = [path for path in merged.iterdir() if path.read_bytes() not in seeds]
    reached.sort(key=lambda path: path.stat().st_size)
    room = KEPT_BYTES
    for path in reached[::-(-len(reached) // KEPT_COUNT) or 1]:
        room -= path.stat().st_size
        if room < 0:
            break
        shutil.copy(path, folder / path.name[:12])


def report():
    ledger = json.loads(LEDGER.read_text())
    enter_interrupted()
    if RECENT.exists():
        for target, figures in read(RECENT).items():
            add(ledger, target, figures)
        LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n")
        RECENT.unlink()
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always"], capture_output=True, text=True, check=True).stdout.strip()
    rows = [
        f"| {target} | {entry['executions']:,} | {entry['cpu_seconds'] / 3600:.2f} | {entry['inputs']:,} | "
        f"{entry['edges']:,} | {entry['peak_megabytes']} | {len(list((HERE / 'regressions' / target).glob('*')))} |"
        for target, entry in sorted(ledger.items())]
    page = PAGE.read_text()
    start, end = "<!-- figures: Tests/Fuzz/fuzz.py report -->\n", "<!-- end of figures -->"
    head, rest = page.split(start)
    table = "\n".join([
        f"Until {datetime.date.today()}, commit {commit}:", "",
        "| target | inputs run | CPU hours | inputs that reached something new | edges of the program | peak MB | kept regressions |",
        "|---|---|---|---|---|---|---|", *rows, ""])
    PAGE.write_text(head + start + table + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["run", "keep", "report", "check"])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--until", type=int)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_intermixed_args()
    program = CHECK / "debug/fuzz" if arguments.what == "check" else FUZZ
    known = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    targets = arguments.targets or known
    if unknown := set(targets) - set(known):
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.what == "run":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
        enter_interrupted()
        left = lacking(targets, arguments.until) if arguments.until else dict.fromkeys(
            targets, arguments.seconds or 60)
        if failed := run(left, arguments.jobs):
            sys.exit(f"found something: {', '.join(failed)}; inputs are in {FINDINGS}")
    elif arguments.what == "check":
        if failed := check(targets, arguments.seconds or 5, arguments.jobs):
            sys.exit(f"fuzzing found something: {', '.join(failed)}; see above")
    elif arguments.what == "keep":
        for target in targets:
            keep(target)
    else:
        report()


if __name__ == "__main__":
    main()
