"""Ten times as many requests as can be served (open loop): what is still served, how soon the rest is refused, and how
soon all is well again."""

import asyncio
import random
import time

from clients import Load, ask, requests
from phases import percentile
from programs import NAME, Router, Worker

PEAK_SECONDS = 15
OVERLOAD_SECONDS = 60
FACTOR = 10


async def closed_loop(port, mix, clients, seconds):
    """Answers per second of so many clients that wait for each answer."""
    load = Load(lambda path, body: ask(port, path, body), clients, mix)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(2)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    ended = time.monotonic()
    rate = sum(not answer.error and began < answer.ended <= ended for _, answer in load.answers) / (ended - began)
    load.is_over = True
    await running
    return rate


async def open_loop(port, mix, rate, seconds):
    """Requests at random moments, `rate` a second, whatever becomes of them."""
    chance = random.Random(5)
    tasks, began = [], time.monotonic()
    at = began
    while at < began + seconds:
        at += chance.expovariate(rate)
        await asyncio.sleep(max(0, at - time.monotonic()))
        tasks.append(asyncio.create_task(ask(port, *mix[len(tasks) % len(mix)])))
    ended = time.monotonic()
    answers = await asyncio.gather(*tasks)
    return began, ended, answers


async def first_piece(port, body):
    answer = await ask(port, "/v1/completions", body)
    return answer.longest_gap if not answer.error else None


async def recovery(port, probe, usual):
    """Seconds until a request is served as soon as on an idle cluster, give or take a half."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        gap = await first_piece(port, probe)
        if gap is not None and gap <= 1.5 * usual + 0.05:
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return 60.0


async def measure():
    """One worker of one thread, so that the router and these clients have a CPU too."""
    worker = Worker(0)
    router = None
    try:
        worker.start()
        router = Router([worker])
        router.wait_for_workers(1)
        mix = requests(90, 24, NAME)
        probe = {"model": NAME, "prompt": "A probe of an idle cluster", "max_tokens": 8, "ignore_eos": True}
        probe["stream"] = True
        usual = sorted([await first_piece(router.port, probe) for _ in range(9)])[4]
        peak = await closed_loop(router.port, mix, 32, PEAK_SECONDS)
        began, ended, answers = await open_loop(router.port, mix, FACTOR * peak, OVERLOAD_SECONDS)
        recovered = await recovery(router.port, probe, usual)
        served = [answer for answer in answers if not answer.error and answer.ended <= ended]
        refused = [answer for answer in answers if answer.status == 429]
        return {
            "peak_per_s": round(peak, 1),
            "offered_per_s": round(len(answers) / (ended - began), 1),
            "served_per_s": round(len(served) / (ended - began), 1),
            "goodput_percent": round(100 * len(served) / (ended - began) / peak, 1),
            "refused": len(refused),
            "refusal_ms_p50": round(percentile([answer.ended - answer.began for answer in refused], 0.5) * 1000, 1),
            "refusal_ms_p99": round(percentile([answer.ended - answer.began for answer in refused], 0.99) * 1000, 1),
            "without_retry_after": sum(answer.retry_after is None for answer in refused),
            "other_errors": sum(1 for answer in answers if answer.error and answer.status != 429),
            "recovery_s": round(recovered, 1),
        }
    finally:
        if router:
            router.program.end()
        if worker.program:
            worker.program.end()
