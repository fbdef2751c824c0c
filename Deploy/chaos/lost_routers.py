"""One of two routers that share the workers dies, or stops: whether the other one's clients notice."""

import asyncio
import time

import faults
from clients import Load, ask
from phases import Phase
from programs import Router

# From the strike on, the other router's clients are watched for so long.
WATCHED_SECONDS = 2.0
SILENCE_LIMIT = 1.0


def longest_silence(answers, start, end):
    """The longest time between `start` and `end` in which nothing came to any client."""
    times = sorted(at for _, answer in answers for at in answer.arrivals if start < at < end)
    times = [start, *times, end]
    return max(later - earlier for earlier, later in zip(times, times[1:]))


class LostRouter:
    """Strikes one router again and again, under load on both."""

    def __init__(self, cluster, options, strike):
        self.cluster = cluster
        self.options = options
        self.strike = strike
        # From the strikes on.
        self.watched = []

    def back(self, router):
        """The struck router, or another one in its place, serving."""
        if self.strike is faults.kill:
            router.program.wait()
            router = Router(self.cluster.workers, port=router.port)
        else:
            faults.resume(router)
        router.wait_for_workers(len(self.cluster.workers))
        return router

    async def run(self, count):
        """Returns what the clients of the router that is left alone got, and how many sequences it moved."""
        struck, other = Router(self.cluster.workers), Router(self.cluster.workers)
        clients = max(1, self.options.clients // 2)
        kept = Load(lambda path, body: ask(other.port, path, body), clients, self.cluster.requests)
        try:
            for router in (struck, other):
                router.wait_for_workers(len(self.cluster.workers))
            running = asyncio.create_task(kept.run())
            for _ in range(count):
                lost = Load(lambda path, body: ask(struck.port, path, body, 5), clients, self.cluster.requests)
                losing = asyncio.create_task(lost.run())
                await asyncio.sleep(1)
                self.strike(struck)
                at = time.monotonic()
                # Whom nobody answers asks nothing more meanwhile.
                lost.is_over = True
                await asyncio.sleep(WATCHED_SECONDS)
                self.watched.append((at, at + WATCHED_SECONDS))
                struck = await asyncio.to_thread(self.back, struck)
                await losing
            kept.is_over = True
            await running
            return kept.answers, other.metric("apus_sequence_moves_total")
        finally:
            kept.is_over = True
            for router in (struck, other):
                router.program.end()


async def router_losses(cluster, options, reference, count):
    """A phase for each way to lose a router."""
    phases = []
    for name, strike in (("kill -9", faults.kill), ("SIGSTOP for 2 s", faults.stop)):
        lost = LostRouter(cluster, options, strike)
        answers, moved = await lost.run(count)
        phase = Phase(f"{name}, one of two routers, {count} times", None, answers, reference, moved)
        phase.silences = [longest_silence(answers, start, end) for start, end in lost.watched]
        phase.silence_limit = SILENCE_LIMIT
        phases.append(phase)
    return phases
