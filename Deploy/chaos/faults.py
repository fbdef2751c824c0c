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

import shares
from programs import Failure, wait_until

FREEZER = Path("/sys/fs/cgroup/freezer")
# What a router says of a link that is gone.
LOST = "worker lost"


@dataclass
class Fault:
    name: str
    strike: Callable
    heal: Callable
    # Seconds between the two; or, where the link lives through it, from the notice on.
    hold: float = 0.0
    # All but one at once, or one.
    hits_most: bool = False
    # The router must say `notice` of the worker, and within so many seconds; None where the link may live through it.
    detection_limit: float | None = None
    notice: str = LOST
    # What it says when the worker is of use again.
    comeback: str = "worker linked"
    # The longest pause that 99 of 100 moved streams may see more than undisturbed ones.
    gap_limit: float | None = 1.0
    needs_network: bool = False
    needs_freezer: bool = False
    # Before the first strike and after the last, with all workers.
    prepare: Callable | None = None
    tidy: Callable | None = None
    needs_shares: bool = False


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
    """A thread of another process, held still as a debugger holds it.

    The system knows who holds it by thread, and tells that one of its end first: so this has a thread of its own, which
    lives until it is let go or its process has ended.
    """

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    # Waits for threads too, not for children alone.
    EVERY_THREAD = 0x40000000
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes, ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long

    def __init__(self, pid, name):
        threads = [Path(f"/proc/{pid}/task/{entry}") for entry in os.listdir(f"/proc/{pid}/task")]
        self.id = next(int(path.name) for path in threads if (path / "comm").read_text().strip() == name)
        self.is_held, self.is_over, self.failure = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self.hold, daemon=True)
        self.thread.start()
        self.is_held.wait()
        if self.failure:
            raise Failure(f"Thread {self.id} cannot be held: {self.failure}.")

    def hold(self):
        try:
            self.ask(self.SEIZE)
            self.ask(self.INTERRUPT)
            os.waitpid(self.id, self.EVERY_THREAD)
        except OSError as error:
            self.failure = error.strerror
            return
        finally:
            self.is_held.set()
        while not self.is_over.wait(0.02):
            if os.waitpid(self.id, self.EVERY_THREAD | os.WNOHANG)[0] == self.id:
                return
        self.ask(self.DETACH)

    def ask(self, request):
        if self.ptrace(request, self.id, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def let_go(self):
        self.is_over.set()
        self.thread.join()


HELD = {}


def hang(worker):
    """Its engine stands still; its link goes on to answer."""
    HELD[worker.index] = HeldThread(worker.program.pid, "apus-engine")


def unhang(worker):
    HELD.pop(worker.index).let_go()


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
        "its engine hangs, its link answers", hang, unhang, hold=1, detection_limit=1.0, gap_limit=1.5,
        notice="worker silent", comeback="worker takes sequences again",
    ),
    Fault(
        "a tenth of its CPU time", shares.slow_down, shares.speed_up, hold=1, detection_limit=2.0, gap_limit=None,
        notice="worker slow", comeback="worker takes sequences again", prepare=shares.share_out,
        tidy=shares.let_all_have_all, needs_shares=True,
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
        if self.fault.prepare:
            self.fault.prepare(self.workers)
            # What was before counts for nothing.
            time.sleep(2)
        try:
            for _ in range(strikes):
                time.sleep(self.chance.uniform(0.05, 0.3))
                self.strike()
        finally:
            if self.fault.tidy:
                self.fault.tidy(self.workers)

    def strike(self):
        count = len(self.workers) - 1 if self.fault.hits_most else 1
        victims = self.chance.sample(self.workers, count)
        times, struck = {}, {}
        if self.fault.detection_limit is not None:
            # Of one that is set aside for its pace there is nothing to notice: it has nothing.
            wait_until("all workers in use", lambda: self.router.ready_count() == len(self.workers))
        for worker in victims:
            times[worker.index] = time.monotonic()
            self.fault.strike(worker)
            # A rule of the network takes some milliseconds to be made, and holds from here.
            struck[worker.index] = time.monotonic()
        self.strikes += 1
        self.struck += count
        held_from = min(times.values())
        if self.fault.detection_limit is not None:
            for worker in victims:
                at = self.noticed(worker, times[worker.index])
                self.detections.append(max(0.0, at - struck[worker.index]))
                if self.fault.notice != LOST:
                    held_from = at
        time.sleep(max(0.0, held_from + self.fault.hold - time.monotonic()))
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
