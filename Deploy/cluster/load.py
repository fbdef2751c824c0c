"""Clients inside the cluster: this and clients.py lie in a pod, which asks the router's Service.

    load.py reference URL_HOST MODEL      every request once; the answers are kept
    load.py run URL_HOST MODEL NAME       asks until NAME.stop is there, then writes NAME.json: what went wrong

Runs in the background of the pod, so that it asks on while nobody can be reached through the API server.
"""

import asyncio
import json
import pathlib
import sys
import time

from clients import Load, ask, requests

# Of two requests of each kind, one after the other by four clients: enough for a worker to have several streams.
DISTINCT, TOKENS, CLIENTS, PORT = 18, 64, 4, 8000
FOLDER = pathlib.Path("/tmp")
REFERENCE = FOLDER / "reference.json"


def make_load(host: str, model: str) -> Load:
    return Load(lambda path, body: ask(PORT, path, body, host=host), CLIENTS, requests(DISTINCT, TOKENS, model))


async def reference(host: str, model: str) -> None:
    answers = await make_load(host, model).once()
    REFERENCE.write_text(json.dumps([answer.content for answer in answers]))
    streams = [answer for answer in answers if answer.streams and not answer.error]
    print(json.dumps({
        "requests": len(answers),
        "errors": [answer.error for answer in answers if answer.error],
        "streams": len(streams),
        # Pieces that came apart from each other, of the stream that came in the fewest.
        "pieces": min((len(answer.arrivals) for answer in streams), default=0),
    }))


async def run(host: str, model: str, name: str) -> None:
    undisturbed = json.loads(REFERENCE.read_text())
    load, stop = make_load(host, model), FOLDER / f"{name}.stop"
    began = time.monotonic()
    running = asyncio.create_task(load.run())
    while not stop.exists():
        await asyncio.sleep(0.1)
    load.is_over = True
    await running
    answers = [(index, answer) for index, answer in load.answers if not answer.error]
    partial = FOLDER / f"{name}.partial"
    partial.write_text(json.dumps({
        "requests": len(load.answers),
        "errors": [f"after {answer.ended - began:.1f} s: {answer.error}" for _, answer in load.answers if answer.error],
        "differing": [index for index, answer in answers if answer.content != undisturbed[index]],
        "longest_gap": max((answer.longest_gap for _, answer in answers), default=0.0),
    }))
    partial.rename(FOLDER / f"{name}.json")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    asyncio.run({"reference": reference, "run": run}[command](*arguments))
