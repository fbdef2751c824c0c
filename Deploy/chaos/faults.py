"""What can break: how it is done to workers, how it is undone, and what is promised of it."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from programs import Failure, wait_until

FREEZER = Path("/sys/fs/cgroup/freezer")


@dataclass
class Fault:
    name: str
    strike: Callable
    heal: Callable
    # Seconds between the two.
    hold: float = 0.0
    # All but one at once, or one.
    hits_most: bool = False
    # The router must give the worker up, and within so many seconds; None where the link may live through it.
    detection_limit: float | None = None
    # The longest pause that 99 of 100 moved streams may see more than undisturbed ones.
    gap_limit: float | None = 1.0
    needs_network: bool = False
    needs_freezer: bool = False


def kill(worker):
    worker.program.signal(signal.SIGKILL)


def restart(worker):
    worker.program.wait()
    worker.start()


def terminate(worker):
    worker.program.signal(signal.SIGTERM)


def stop(worker):
    worker.program.signal(signal.SIGSTOP)


def resume(worker):
    worker.program.signal(signal.SIGCONT)


def freezer_of(worker):
    return FREEZER / f"apus-{os.getpid()}-{worker.index}"


def freeze(worker):
    group = freezer_of(worker)
    group.mkdir(exist_ok=True)
    (group / "cgroup.procs").write_text(str(worker.program.pid))
    (group / "freezer.state").write_text("FROZEN")


def thaw(worker):
    (freezer_of(worker) / "freezer.state").write_text("THAWED")


def remove_freezer(worker):
    group = freezer_of(worker)
    if not group.exists():
        return
    (group / "freezer.state").write_text("THAWED")
    for process in (group / "cgroup.procs").read_text().split():
        (FREEZER / "cgroup.procs").write_text(process)
    group.rmdir()


def heal_network(worker):
    worker.network.heal()


FAULTS = [
    Fault("kill -9, one worker", kill, restart, detection_limit=0.05),
    Fault("kill -9, all but one at once", kill, restart, hits_most=True, detection_limit=0.05),
    Fault("SIGSTOP for 1.5 s", stop, resume, hold=1.5, detection_limit=1.0),
    Fault("frozen cgroup for 1.5 s", freeze, thaw, hold=1.5, detection_limit=1.0, needs_freezer=True),
    Fault(
        "black hole for 1.5 s", lambda worker: worker.network.black_hole(), heal_network, hold=1.5, detection_limit=1.0,
        needs_network=True,
    ),
    Fault(
        "every packet reset for 1 s", lambda worker: worker.network.reset(worker.port), heal_network, hold=1,
        detection_limit=1.0, needs_network=True,
    ),
    Fault(
        "30 % of packets lost for 3 s", lambda worker: worker.network.lose(30), heal_network, hold=3, gap_limit=None,
        needs_network=True,
    ),
    Fault(
        "link of 64 kbit/s for 3 s", lambda worker: worker.network.slow_down("64kbit"), heal_network, hold=3,
        gap_limit=None, needs_network=True,
    ),
    Fault("SIGTERM, drained and started again", terminate, restart),
]


class Disturbance:
    """Strikes workers of a cluster with one fault, so many times, and notes when the router noticed."""

    def __init__(self, fault, router, workers, seed):
        self.fault = fault
        self.router = router
        self.workers = workers
        self.chance = random.Random(seed)
        self.strikes = 0
        self.struck = 0
        self.detections = []

    def run(self, strikes):
        for _ in range(strikes):
            time.sleep(self.chance.uniform(0.05, 0.3))
            self.strike()

    def strike(self):
        count = len(self.workers) - 1 if self.fault.hits_most else 1
        victims = self.chance.sample(self.workers, count)
        times, struck = {}, {}
        for worker in victims:
            times[worker.index] = time.monotonic()
            self.fault.strike(worker)
            # A rule of the network takes some milliseconds to be made, and holds from here.
            struck[worker.index] = time.monotonic()
        self.strikes += 1
        self.struck += count
        if self.fault.detection_limit is not None:
            for worker in victims:
                at = self.noticed(worker, times[worker.index])
                self.detections.append(max(0.0, at - struck[worker.index]))
        time.sleep(max(0.0, min(times.values()) + self.fault.hold - time.monotonic()))
        for worker in victims:
            lost = self.router.when("worker lost", worker, times[worker.index])
            self.fault.heal(worker)
            # A worker that was told to end is not heard of again before the next one is there.
            times[worker.index] = lost or self.router.when("worker lost", worker, times[worker.index])
        for worker in victims:
            if times[worker.index]:
                wait_until(
                    f"a new link to {worker.address}",
                    lambda: self.router.when("worker linked", worker, times[worker.index]),
                )

    def noticed(self, worker, since):
        found = None

        def look():
            nonlocal found
            found = self.router.when("worker lost", worker, since)
            return found

        wait_until(f"the loss of {worker.address} after '{self.fault.name}'", look, seconds=20)
        return found


class Burners:
    """Processes that take all the CPU they get, two for each CPU."""

    def __enter__(self):
        count = 2 * len(os.sched_getaffinity(0))
        self.processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
