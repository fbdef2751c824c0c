#!/usr/bin/env python3
"""Breaks the scheduler in one place at a time, and looks whether its tests and the simulator notice.

    Deploy/test/mutate.py                  all mutations; writes their table into Docs/scheduling.md
    Deploy/test/mutate.py --only draining  those whose name contains this; the other rows stay as they are
    Deploy/test/mutate.py --missing        those that have no row

Only the rooms that the scheduler needs are built, beside the project; a row is written when it is known. Exits with 1 when
a mutation is not noticed or its place is no longer there.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "Docs/scheduling.md"
BEGIN, END = "<!-- mutations: Deploy/test/mutate.py writes them -->", "<!-- end of mutations -->"
SUITES = ["SchedulingTests", "SimulationTests"]

PACKAGE = """// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("InternalImportsByDefault"),
]
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

let package = Package(
    name: "mutations", dependencies: [.package(path: "COLLECTIONS")],
    targets: [
        .target(name: "Inference", swiftSettings: settings),
        .target(name: "Scheduling", dependencies: ["Inference", deque], swiftSettings: settings),
        .target(name: "Simulation", dependencies: ["Inference", "Scheduling", deque, heap], swiftSettings: settings),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "SchedulingTests", dependencies: ["Scheduling", "Inference", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation", "Scheduling", "Inference"], swiftSettings: settings),
    ])
"""


class Workshop:
    """A package of the rooms concerned, whose Scheduling is a copy."""

    def __init__(self, folder):
        self.folder = folder
        collections = ROOT / ".build/checkouts/swift-collections"
        if not collections.exists():
            sys.exit(f"{collections} is not there: build the project first.")
        (folder / "Package.swift").write_text(PACKAGE.replace("COLLECTIONS", str(collections)))
        for name in ["Sources/Inference", "Sources/Simulation"] + [f"Tests/{suite}" for suite in SUITES]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(ROOT / name)
        (folder / "Tests/TestSupport").mkdir()
        shutil.copy(ROOT / "Tests/TestSupport/SeededRandom.swift", folder / "Tests/TestSupport")
        self.scheduling = folder / "Sources/Scheduling"
        self.mend()

    def mend(self):
        shutil.rmtree(self.scheduling, ignore_errors=True)
        shutil.copytree(ROOT / "Sources/Scheduling", self.scheduling)

    def run(self, *command, timeout):
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=timeout)

    def build(self):
        built = self.run(
            "swift", "build", "-c", "release", "-Xswiftc", "-enable-testing", "--build-tests", timeout=7200)
        if built.returncode != 0:
            sys.exit(f"This does not build:\n{(built.stdout + built.stderr)[-4000:]}")

    def failures(self):
        """Names of tests that fail; a run that does not end, or traps, fails as one."""
        # Not by `swift test`: what that began goes on when it is killed.
        tests = ".build/release/mutationsPackageTests.xctest"
        try:
            run = self.run(tests, "--testing-library", "swift-testing", timeout=600)
        except subprocess.TimeoutExpired:
            return ["the tests do not end"]
        text = run.stdout + run.stderr
        failed = sorted(set(re.findall(r'Test "(.+?)" (?:with \d+ test cases )?failed after', text)))
        return failed or (["the tests trap"] if run.returncode != 0 else [])


def try_out(workshop, mutation):
    """The tests that notice."""
    workshop.mend()
    path = workshop.scheduling / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        sys.exit(f"{mutation.name}: its place in {mutation.file} is there {text.count(mutation.old)} times.")
    path.write_text(text.replace(mutation.old, mutation.new))
    workshop.build()
    return workshop.failures()


def row(mutation, failed):
    others = f", and {len(failed) - 2} more" if len(failed) > 2 else ""
    return f"| {mutation.name} | {'; '.join(failed[:2]) + others if failed else '**nobody**'} |"


def rows():
    """Those that the page has, by mutation."""
    lines = PAGE.read_text().split(BEGIN)[1].split(END)[0].splitlines()
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}


def write(found):
    lines = ["| broken so that | noticed by |", "|---|---|"]
    lines += [found[mutation.name] for mutation in MUTATIONS if mutation.name in found]
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only mutations whose name contains this")
    parser.add_argument("--missing", action="store_true", help="only mutations that the page has no row of")
    options = parser.parse_args()
    found = rows() if options.only or options.missing else {}
    chosen = [
        mutation for mutation in MUTATIONS
        if options.only in mutation.name and not (options.missing and mutation.name in found)]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="apus-mutations-") as folder:
        workshop = Workshop(Path(folder))
        workshop.build()
        if failed := workshop.failures():
            sys.exit(f"Unbroken, this fails: {failed}")
        for mutation in chosen:
            failed = try_out(workshop, mutation)
            print(f"{'noticed' if failed else 'NOT NOTICED'}: {mutation.name} ({len(failed)})", flush=True)
            survivors += not failed
            found[mutation.name] = row(mutation, failed)
            write(found)
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
