"""What can break: how it is done to workers, how it is undone, and what is promised of it."""

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
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
    # The router must say `notice` of the worker, and within so many seconds; None where the link may live through it.
    detection_limit: float | None = None
    notice: str = "worker lost"
    # What it says when the worker is of use again.
    comeback: str = "worker linked"
    # Sequences go on elsewhere.
    moves: bool = True
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


class HeldThread:
    """A thread of another process, held still as a debugger holds it. Only the thread that holds it can let it go."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    # Waits for threads too, not for children alone.
    EVERY_THREAD = 0x40000000
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes, ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long

    def __init__(self, pid, name):
        threads = [Path(f"/proc/{pid}/task/{entry}") for entry in os.listdir(f"/proc/{pid}/task")]
        self.id = next(int(path.name) for path in threads if (path / "comm").read_text().strip() == name)
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.id, self.EVERY_THREAD)

    def ask(self, request):
        if self.ptrace(request, self.id, 0, 0) != 0:
            raise Failure(f"Thread {self.id} cannot be held: {os.strerror(ctypes.get_errno())}.")

    def let_go(self):
        self.ask(self.DETACH)


HELD = {}


def hang(worker):
    """Its engine stands still; its link goes on to answer."""
    HELD[worker.index] = HeldThread(worker.program.pid, "apus-engine")


def unhang(worker):
    HELD.pop(worker.index).let_go()


class Brake:
    """Lets a process run for one tenth of the time, in slices that no link takes for a death."""

    PERIOD = 0.05

    def __init__(self, program):
        self.program = program
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.is_set():
            self.program.signal(signal.SIGSTOP)
            time.sleep(0.9 * self.PERIOD)
            self.program.signal(signal.SIGCONT)
            time.sleep(0.1 * self.PERIOD)

    def release(self):
        self.is_over.set()
        self.thread.join()


BRAKES = {}


def brake(worker):
    BRAKES[worker.index] = Brake(worker.program)


def release(worker):
    BRAKES.pop(worker.index).release()


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
    Fault(
        "its engine hangs for 2 s, its link answers", hang, unhang, hold=2, detection_limit=1.0,
        notice="worker silent", comeback="worker takes sequences again",
    ),
    Fault(
        "ten times slower for 4 s", brake, release, hold=4, detection_limit=2.0, gap_limit=None,
        moves=False, notice="worker slow", comeback="worker takes sequences again",
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
            lost = self.router.when(self.fault.notice, worker, times[worker.index])
            self.fault.heal(worker)
            # A worker that was told to end is not heard of again before the next one is there.
            times[worker.index] = lost or self.router.when(self.fault.notice, worker, times[worker.index])
        for worker in victims:
            if times[worker.index]:
                wait_until(
                    f"'{self.fault.comeback}' of {worker.address}",
                    lambda: self.router.when(self.fault.comeback, worker, times[worker.index]),
                    # Who is slow again and again is left alone for a minute in the end.
                    seconds=90,
                )

    def noticed(self, worker, since):
        found = None

        def look():
            nonlocal found
            found = self.router.when(self.fault.notice, worker, since)
            return found

        wait_until(f"'{self.fault.notice}' of {worker.address} after '{self.fault.name}'", look, seconds=20)
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
