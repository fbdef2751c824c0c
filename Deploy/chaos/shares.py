"""Workers that get a part of a CPU each, and one that gets a tenth of that."""

import os
from pathlib import Path

CPU = Path("/sys/fs/cgroup/cpu")
# Short, so that the fixed shares of a step's time differ little from step to step; the least quota is 1 ms.
PERIOD_US = 33_000
# Three workers leave half of two CPUs to everything else.
USUAL_US, SLOW_US = 10_000, 1_000


def is_there():
    return (CPU / "cpu.cfs_quota_us").exists() and os.access(CPU, os.W_OK)


def group_of(worker):
    return CPU / f"apus-{os.getpid()}-{worker.index}"


def give(worker, quota_us):
    (group_of(worker) / "cpu.cfs_quota_us").write_text(str(quota_us))


def share_out(workers):
    for worker in workers:
        group = group_of(worker)
        group.mkdir(exist_ok=True)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        give(worker, USUAL_US)
        (group / "cgroup.procs").write_text(str(worker.program.pid))


def let_all_have_all(workers):
    for worker in workers:
        group = group_of(worker)
        if not group.exists():
            continue
        for process in (group / "cgroup.procs").read_text().split():
            (CPU / "cgroup.procs").write_text(process)
        group.rmdir()


def slow_down(worker):
    give(worker, SLOW_US)


def speed_up(worker):
    give(worker, USUAL_US)
