#!/usr/bin/env python3
"""Breaks real processes and networks under load, and compares every answer with that of an undisturbed cluster.

    python3 Deploy/chaos/chaos.py            all faults; writes Docs/chaos.md
    python3 Deploy/chaos/chaos.py --short    a few seconds of each that need no root; writes nothing

Exits with 1 when a client saw an error or another answer, or when what is promised of times does not hold (--short
looks at no times). Faults that need root or nftables are left out, with a sentence, where there is none.
"""

import argparse
import asyncio
import json
import sys

import cancellation
import overload
import report
import shares
from clients import Load, ask, requests
from faults import FAULTS, FREEZER, Burners, Disturbance, remove_freezer
from lost_routers import router_losses
from networks import Network, what_is_missing
from phases import Phase
from planned import router_restarts
from programs import NAME, Failure, Router, Worker

# Strikes of each fault, in a full run and in a short one.
STRIKES = {
    "kill -9, one worker": (70, 3),
    "kill -9, all but one at once": (70, 1),
    "SIGSTOP for 1.5 s": (10, 1),
    "frozen cgroup for 1.5 s": (10, 0),
    "black hole for 1.5 s": (10, 0),
    "every packet reset for 1 s": (10, 0),
    "30 % of packets lost for 3 s": (5, 0),
    "link of 64 kbit/s for 3 s": (5, 0),
    "its engine hangs, its link answers": (10, 0),
    "a tenth of its CPU time": (10, 0),
    "SIGTERM, drained and started again": (10, 1),
}
ROUTER_RESTARTS = 10
ROUTER_LOSSES = 10
BURNER_SECONDS = 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few seconds, for the tests")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=12, help="requests under way at once")
    parser.add_argument("--tokens", type=int, default=24, help="length of answers")
    parser.add_argument("--distinct", type=int, help="different requests; they come again and again")
    parser.add_argument("--only", help="only faults whose name contains this")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many strikes")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def log(text):
    print(text, file=sys.stderr, flush=True)


async def under(fault, strikes, cluster, options, reference):
    """One fault, struck again and again under load."""
    load = Load(cluster.send, options.clients, cluster.requests)
    disturbance = Disturbance(fault, cluster.router, cluster.workers, options.seed)
    moves = cluster.moves()
    running = asyncio.create_task(load.run())
    try:
        await asyncio.to_thread(disturbance.run, strikes)
    finally:
        load.is_over = True
        await running
    phase = Phase(fault.name, disturbance, load.answers, reference, moved=cluster.moves() - moves)
    log(report.line(phase))
    return phase


class Cluster:
    """Workers, each in a network of its own where that can be, and a router in front of them."""

    def __init__(self, options, has_networks):
        self.requests = requests(options.distinct or (36 if options.short else 180), options.tokens, NAME)
        self.networks = []
        self.workers = []
        for index in range(options.workers):
            network = Network(index) if has_networks else None
            if network:
                self.networks.append(network)
            self.workers.append(Worker(index, network))
        self.router = None

    def start(self):
        for worker in self.workers:
            worker.start()
        self.router = Router(self.workers)
        self.router.wait_for_workers(len(self.workers))

    def moves(self):
        return self.router.metric("apus_sequence_moves_total")

    async def send(self, path, body):
        return await ask(self.router.port, path, body)

    def end(self):
        for worker in self.workers:
            if worker.program:
                worker.program.end()
            remove_freezer(worker)
        if self.router:
            self.router.program.end()
        for network in self.networks:
            network.remove()


async def busy(cluster, options, reference):
    """No fault at all, but every CPU taken twice over: nobody may be suspected."""
    load = Load(cluster.send, options.clients, cluster.requests)
    program = cluster.router.program
    before = program.count("worker lost"), program.count("worker silent")
    moves = cluster.moves()
    with Burners():
        running = asyncio.create_task(load.run())
        await asyncio.sleep(BURNER_SECONDS)
        load.is_over = True
        await running
    phase = Phase("none, but every CPU is taken twice over", None, load.answers, reference, cluster.moves() - moves)
    phase.false_alarms = program.count("worker lost") - before[0], program.count("worker silent") - before[1]
    log(report.line(phase))
    return phase


class Stolen:
    """How many percent of the CPUs' time the host of a virtual machine gave to others, since this was made."""

    def __init__(self):
        self.start = self.ticks()

    def percent(self):
        all_, stolen = (end - start for start, end in zip(self.start, self.ticks()))
        return round(100 * stolen / max(1, all_), 1)

    @staticmethod
    def ticks():
        with open("/proc/stat") as file:
            words = [int(word) for word in file.readline().split()[1:9]]
        return sum(words), words[7]


async def run(options):
    missing = what_is_missing() if not options.short else None
    has_networks = not options.short and missing is None
    skipped = [missing] if missing else []
    if not options.short and not (FREEZER / "cgroup.procs").exists():
        skipped.append(f"frozen cgroups need a freezer of cgroup v1 at {FREEZER}")
    if not options.short and not shares.is_there():
        skipped.append(f"a part of a CPU's time needs cgroup v1 at {shares.CPU}, and root")
    cluster = Cluster(options, has_networks)
    phases, figures, stolen = [], {}, Stolen()
    try:
        cluster.start()
        load = Load(cluster.send, options.clients, cluster.requests)
        await load.once()
        reference = await load.once()
        for answer in reference:
            if answer.error:
                raise Failure(f"An undisturbed request failed: {answer.error}")
        log(f"{len(reference)} requests undisturbed")
        for fault in FAULTS:
            strikes = int(STRIKES[fault.name][1 if options.short else 0] * options.scale)
            can = all(
                is_there or not is_needed
                for is_needed, is_there in (
                    (fault.needs_network, has_networks),
                    (fault.needs_freezer, (FREEZER / "cgroup.procs").exists()),
                    (fault.needs_shares, shares.is_there()),
                )
            )
            if strikes and can and (options.only or "") in fault.name:
                phases.append(await under(fault, strikes, cluster, options, reference))
        if not options.short and (options.only or "") in "one of two routers":
            for phase in await router_losses(cluster, options, reference, ROUTER_LOSSES):
                phases.append(phase)
                log(report.line(phase))
        if not options.short and not options.only:
            phases.append(await busy(cluster, options, reference))
            phases.append(await router_restarts(cluster, options, reference, ROUTER_RESTARTS))
            log(report.line(phases[-1]))
            figures |= await cancellation.measure(cluster, options)
            log(figures)
    finally:
        cluster.end()
    if not options.short and not options.only:
        figures |= await overload.measure()
        log(figures)
    figures["stolen_percent"] = stolen.percent()
    return phases, figures, skipped


def main():
    options = arguments()
    try:
        phases, figures, skipped = asyncio.run(run(options))
    except Failure as failure:
        sys.exit(f"chaos: {failure}")
    complaints = [text for phase in phases for text in phase.complaints(looks_at_times=not options.short)]
    complaints += report.exceeded(figures)
    for sentence in skipped:
        log(f"left out: {sentence}")
    print(report.table(phases))
    print(json.dumps(report.totals(phases)))
    if not options.short and not options.only:
        report.write(phases, figures, skipped, options)
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
