"""Restarts that somebody means: of one of two routers in front of the same workers."""

import asyncio
import signal
import time

from clients import Load, ask
from phases import Phase
from programs import Router


class Pair:
    """Two routers, and clients that go to the next when one takes no connection or refuses because it ends, as behind a
    load balancer."""

    def __init__(self, workers):
        self.workers = workers
        self.routers = [Router(workers), Router(workers)]
        self.turn = 0

    async def send(self, path, body):
        self.turn += 1
        began = time.monotonic()
        for attempt in range(20):
            answer = await ask(self.routers[(self.turn + attempt) % 2].port, path, body)
            refused = answer.error and (answer.status == 503 or "ConnectionRefused" in answer.error)
            if not refused:
                break
            await asyncio.sleep(0.01)
        answer.began = began
        return answer

    def restart(self, index):
        """Returns when the router serves again."""
        old = self.routers[index]
        old.program.signal(signal.SIGTERM)
        status = old.program.wait(60)
        if status != 0:
            raise OSError(f"a router that was told to end left with status {status}")
        self.routers[index] = Router(self.workers, port=old.port)
        self.routers[index].wait_for_workers(len(self.workers))

    def moves(self):
        return sum(router.metric("apus_sequence_moves_total") for router in self.routers)


async def router_restarts(cluster, options, reference, count):
    pair = Pair(cluster.workers)
    try:
        for router in pair.routers:
            router.wait_for_workers(len(cluster.workers))
        load = Load(pair.send, options.clients, cluster.requests)
        running = asyncio.create_task(load.run())

        def restart_all():
            for index in range(count):
                time.sleep(1)
                pair.restart(index % 2)

        try:
            await asyncio.to_thread(restart_all)
        finally:
            load.is_over = True
            await running
        phase = Phase(f"one of two routers started again, {count} times", None, load.answers, reference, pair.moves())
        return phase
    finally:
        for router in pair.routers:
            router.program.end()
