"""Clients that leave: when their place in a worker is free again, and how much is computed for nobody."""

import asyncio
import json
import random
import time

from clients import request
from phases import percentile
from programs import NAME, metric


async def begin(port, path, body):
    """Sends a request; the reader has its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: chaos\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    return reader, writer


def used_slots(cluster):
    return sum(metric(worker.metrics_url, "apus_batch_slots", 'state="used"') for worker in cluster.workers)


def generated(cluster):
    return sum(metric(worker.metrics_url, "vllm:generation_tokens_total") for worker in cluster.workers)


async def one_leaves(cluster):
    """Seconds from a client's close to an empty worker."""
    body = {"model": NAME, "prompt": "Once", "max_tokens": 1000, "ignore_eos": True, "stream": True}
    reader, writer = await begin(cluster.router.port, "/v1/completions", body)
    for _ in range(3):
        await reader.read(1 << 16)
    assert used_slots(cluster) == 1
    began = time.monotonic()
    writer.close()
    # This loop does nothing else, so that asking in turn holds nobody up.
    await asyncio.sleep(0)
    while used_slots(cluster) > 0:
        await asyncio.sleep(0.001)
    return time.monotonic() - began


async def many_leave(cluster, clients, requests):
    """The share of tokens that no client was there for, when every third client leaves at a random moment."""
    before = generated(cluster), cluster.router.metric("vllm:generation_tokens_total")
    chance = random.Random(3)
    waiting = list(range(requests))

    async def client():
        while waiting:
            index = waiting.pop()
            path, body = request(index, 48, NAME)
            reader, writer = await begin(cluster.router.port, path, body | {"stream": True})
            leaves = index % 3 == 0
            patience = chance.uniform(0.05, 1.0) if leaves else 60
            try:
                received = b""
                while b"data: [DONE]" not in received:
                    piece = await asyncio.wait_for(reader.read(1 << 16), patience)
                    if not piece:
                        break
                    received = received[-32:] + piece
                    patience = chance.uniform(0.01, 0.3) if leaves else 60
            except asyncio.TimeoutError:
                pass
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    while used_slots(cluster) > 0:
        await asyncio.sleep(0.01)
    computed = generated(cluster) - before[0]
    return 1 - (cluster.router.metric("vllm:generation_tokens_total") - before[1]) / computed, computed


async def measure(cluster, options):
    times = [await one_leaves(cluster) for _ in range(60)]
    wasted, computed = await many_leave(cluster, options.clients, 240)
    return {
        "freed_ms_p50": round(percentile(times, 0.5) * 1000, 1),
        "freed_ms_p99": round(percentile(times, 0.99) * 1000, 1),
        "wasted_percent": round(wasted * 100, 2),
        "computed_tokens": int(computed),
    }
