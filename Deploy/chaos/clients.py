"""Clients that ask in every way there is, and answers in a form that can be compared."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

WORDS = (
    "river stone swift cloud window paper green morning engine quiet table song market island copper letter harbour "
    "winter garden signal mirror bridge forest number candle thunder orange basket village pocket silver shadow"
).split()


def request(index, output_tokens, model):
    """The `index`th request: the same path and body in every run."""
    chance = random.Random(index)
    text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(8, 48)))
    if index % 3 == 0:
        text = "You are a patient teacher of natural history. " * 4 + text
    body = {"model": model, "seed": index, "max_tokens": output_tokens, "temperature": 0.9, "ignore_eos": True}
    kinds = [
        ("chat", {"stream": True}),
        ("completions", {"stream": True}),
        ("chat", {}),
        ("completions", {"n": 2}),
        ("chat", {"stream": True, "n": 2, "logprobs": True, "top_logprobs": 2}),
        ("completions", {"stream": True, "logprobs": 3}),
        ("completions", {"stream": True, "stop": [" the", "\n", "e "], "max_tokens": 2 * output_tokens}),
        ("chat", {"stream": True, "temperature": 0, "stream_options": {"include_usage": True}}),
        ("completions", {"stream": True, "top_k": 40, "repetition_penalty": 1.2, "logit_bias": {"28": -100}}),
    ]
    kind, extra = kinds[index % len(kinds)]
    if kind == "chat":
        body["messages"] = [{"role": "user", "content": text}]
        return "/v1/chat/completions", body | extra
    body["prompt"] = text
    return "/v1/completions", body | extra


@dataclass
class Answer:
    """What one client got. `content` is what must not differ: text, log-probabilities, reasons and counts."""

    content: str = ""
    error: str | None = None
    status: int = 0
    retry_after: str | None = None
    streams: bool = False
    began: float = 0.0
    ended: float = 0.0
    # When something came, from the request on.
    arrivals: list = field(default_factory=list)

    @property
    def longest_gap(self):
        times = [self.began, *self.arrivals]
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=0.0)


def content(parts):
    """The choices of one answer, or of a stream's events, joined."""
    choices, usage = {}, None
    for part in parts:
        if "error" in part:
            raise ValueError(part["error"].get("message", "an error with no message"))
        usage = part.get("usage") or usage
        for choice in part.get("choices", []):
            joined = choices.setdefault(choice["index"], {"text": "", "logprobs": {}, "finish": None})
            message = choice.get("delta") or choice.get("message") or {}
            joined["text"] += message.get("content") or choice.get("text") or ""
            joined["finish"] = choice.get("finish_reason") or joined["finish"]
            for name, values in (choice.get("logprobs") or {}).items():
                joined["logprobs"].setdefault(name, []).extend(values or [])
    if any(choice["finish"] is None for choice in choices.values()) or not choices:
        raise ValueError("a choice has no end")
    if usage:
        # How many prompt tokens were found in a cache depends on the worker.
        usage = {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}
    return json.dumps([choices, usage], sort_keys=True)


def unchunked(body):
    pieces = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return b"".join(pieces)
        if len(rest) < count + 2:
            break
        pieces.append(rest[:count])
        body = rest[count + 2 :]
    raise ValueError("the connection was lost in mid-answer")


def parsed(head, body, streams):
    if b"transfer-encoding: chunked" in head.lower():
        body = unchunked(body)
    if not streams:
        return content([json.loads(body)])
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        # An error inside a stream says more than its missing end.
        content([json.loads(line) for line in lines if '"error"' in line] or [{}])
        raise ValueError("the stream has no [DONE]")
    return content([json.loads(line) for line in lines[:-1]])


async def exchange(host, port, path, body, arrivals):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: chaos\r\ncontent-type: application/json\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        received = b""
        while piece := await reader.read(1 << 16):
            received += piece
            arrivals.append(time.monotonic())
        return received
    finally:
        writer.close()


def requests(count, output_tokens, model):
    return [request(index, output_tokens, model) for index in range(count)]


async def ask(port, path, body, seconds=120, host="127.0.0.1"):
    """One request on a connection of its own."""
    answer = Answer(began=time.monotonic(), streams=body.get("stream", False))
    received = b""
    try:
        received = await asyncio.wait_for(exchange(host, port, path, body, answer.arrivals), seconds)
    except (OSError, asyncio.TimeoutError) as error:
        answer.error = f"{type(error).__name__}: {error}"
    answer.ended = time.monotonic()
    if answer.error:
        return answer
    head, _, payload = received.partition(b"\r\n\r\n")
    answer.status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    for line in head.decode(errors="replace").split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "retry-after":
            answer.retry_after = value
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}: {payload[:300].decode(errors='replace')}")
        answer.content = parsed(head, payload, answer.streams)
    except (ValueError, KeyError, TypeError) as error:
        answer.error = str(error)
    return answer


class Load:
    """Keeps so many clients asking until it is told to stop (closed loop)."""

    def __init__(self, send, clients, requests):
        """`send(path, body)` is a coroutine that gives an Answer."""
        self.send = send
        self.clients = clients
        self.requests = requests
        self.answers = []
        self.is_over = False

    async def once(self):
        """Every request, once: what an undisturbed cluster says."""
        waiting = list(enumerate(self.requests))
        answers = [None] * len(waiting)

        async def client():
            while waiting:
                index, (path, body) = waiting.pop(0)
                answers[index] = await self.send(path, body)

        await asyncio.gather(*(client() for _ in range(self.clients)))
        return answers

    async def run(self):
        """Asks in turn, again and again; `answers` gets (index of the request, Answer)."""
        next_index = 0

        async def client():
            nonlocal next_index
            while not self.is_over:
                index = next_index % len(self.requests)
                next_index += 1
                self.answers.append((index, await self.send(*self.requests[index])))

        await asyncio.gather(*(client() for _ in range(self.clients)))
