"""What hostile clients do, as tables: bytes of HTTP/1.1 and frames of HTTP/2 that must end their connection."""

import struct
from dataclasses import dataclass
from typing import Callable

HOST = b"Host: h\r\n"
JSON = b"Content-Type: application/json\r\n"


@dataclass
class Refused:
    """Sent in one go; answered with one of the statuses, or with nothing where that is allowed, and closed."""
    name: str
    data: bytes
    statuses: tuple = (400,)


def get(line=b"GET / HTTP/1.1", headers=HOST):
    return line + b"\r\n" + headers + b"\r\n"


def post(headers, body=b""):
    return b"POST /v1/completions HTTP/1.1\r\n" + HOST + JSON + headers + b"\r\n" + body


SMUGGLED = get(b"GET /smuggled HTTP/1.1")

HTTP1 = [
    Refused("length and coding", post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refused("coding and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refused("two equal lengths", post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}" + SMUGGLED)),
    Refused("two lengths", post(b"Content-Length: 2\r\nContent-Length: 40\r\n", b"{}" + SMUGGLED)),
    Refused("joined lengths", post(b"Content-Length: 2, 2\r\n", b"{}" + SMUGGLED)),
    Refused("signed length", post(b"Content-Length: +2\r\n", b"{}" + SMUGGLED)),
    Refused("negative length", post(b"Content-Length: -1\r\n", SMUGGLED)),
    Refused("hexadecimal length", post(b"Content-Length: 0x2\r\n", b"{}" + SMUGGLED)),
    Refused("length over 63 bits", post(b"Content-Length: 18446744073709551618\r\n", b"{}" + SMUGGLED)),
    Refused("empty length", post(b"Content-Length:\r\n", SMUGGLED)),
    Refused("unknown coding", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SMUGGLED), (501,)),
    Refused("two codings in a line", post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), (501,)),
    Refused("two codings in two lines", post(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), (501,)),
    Refused("coding with a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refused("coding in quotes", post(b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n" + SMUGGLED), (501,)),
    Refused("coding in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")),
    Refused("coding's name with a space", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refused("coding on a folded line", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    Refused("folded line", get(headers=HOST + b"A: b\r\n c\r\n")),
    Refused("first line folded", get(headers=b" A: b\r\n" + HOST)),
    Refused("line feeds alone", get().replace(b"\r\n", b"\n")),
    Refused("one line feed alone", get(headers=HOST + b"A: b\nTransfer-Encoding: chunked\r\n")),
    Refused("carriage return in a line", get(headers=HOST + b"A: b\rTransfer-Encoding: chunked\r\n")),
    Refused("NUL in a value", get(headers=HOST + b"A: b\0c\r\n")),
    Refused("space before a colon", get(headers=b"Host : h\r\n")),
    Refused("name without a colon", get(headers=HOST + b"A\r\n")),
    Refused("no name", get(headers=HOST + b": b\r\n")),
    Refused("no host", get(headers=b"")),
    Refused("two hosts", get(headers=HOST + b"Host: other\r\n")),
    Refused("chunk size of 17 digits", post(b"Transfer-Encoding: chunked\r\n", b"00000000000000002\r\n{}\r\n0\r\n\r\n")),
    Refused("chunk size over 63 bits", post(b"Transfer-Encoding: chunked\r\n", b"8000000000000000\r\n{}")),
    Refused("chunk size that wraps around", post(b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n{}")),
    Refused("negative chunk size", post(b"Transfer-Encoding: chunked\r\n", b"-2\r\n{}\r\n0\r\n\r\n")),
    Refused("chunk size with 0x", post(b"Transfer-Encoding: chunked\r\n", b"0x2\r\n{}\r\n0\r\n\r\n")),
    Refused("chunk size with an underscore", post(b"Transfer-Encoding: chunked\r\n", b"0_2\r\n{}\r\n0\r\n\r\n")),
    Refused("chunk size with a space", post(b"Transfer-Encoding: chunked\r\n", b"2 \r\n{}\r\n0\r\n\r\n")),
    Refused("chunk longer than its size", post(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}}}\r\n0\r\n\r\n")),
    Refused("chunk line ending in a line feed", post(b"Transfer-Encoding: chunked\r\n", b"2\n{}\r\n0\r\n\r\n")),
    Refused("chunk extension without end", post(b"Transfer-Encoding: chunked\r\n", b"2;" + b"a" * 20000), (400, 431)),
    Refused("trailers without end", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n" + b"a: b\r\n" * 4000), (431,)),
    Refused("other version", get(b"GET / HTTP/3.0"), (505,)),
    Refused("no version", get(b"GET /")),
    Refused("tabs in the first line", get(b"GET\t/\tHTTP/1.1")),
    Refused("method without end", get(b"G" * 300 + b" / HTTP/1.1")),
    Refused("path that climbs", get(b"GET /../etc/passwd HTTP/1.1")),
    Refused("path that climbs in code", get(b"GET /%2e%2e/etc HTTP/1.1")),
    Refused("encoded slash", get(b"GET /v1%2fmodels HTTP/1.1")),
    Refused("backslash", get(b"GET /v1\\models HTTP/1.1")),
    Refused("a user before the host of the target", get(b"GET http://user@elsewhere/ HTTP/1.1")),
    Refused("CONNECT", get(b"CONNECT elsewhere:443 HTTP/1.1")),
    Refused("address of 100 KB", get(b"GET /" + b"a" * 100_000 + b" HTTP/1.1"), (431,)),
    Refused("header of 100 KB", get(headers=HOST + b"A: " + b"b" * 100_000 + b"\r\n"), (431,)),
    Refused("101 headers", get(headers=HOST + b"A: b\r\n" * 100), (431,)),
    Refused("headers without end", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000, (431,)),
    Refused("unknown expectation", post(b"Expect: 200-ok\r\nContent-Length: 2\r\n", b"{}"), (417,)),
    Refused("body of 1 GB announced", post(b"Content-Length: 1000000000\r\n", b"{"), (413,)),
    Refused("body of zeros, packed", post(b"Content-Encoding: gzip\r\nContent-Length: 9\r\n", b"\x1f\x8b\x08"), (415,)),
    Refused("TLS where there is none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512), (400,)),
    Refused("bytes that are nothing", bytes(range(128, 256)) * 200, (400, 431)),
    Refused("half of HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", (400, 505)),
]

# HTTP/2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*entries):
    return frame(4, 0, 0, b"".join(struct.pack(">HI", *entry) for entry in entries))


OPENING = PREFACE + settings()


def field(name, value):
    def text(content):
        if len(content) < 127:
            return bytes([len(content)]) + content
        rest, out = len(content) - 127, b"\x7f"
        while rest > 127:
            out += bytes([rest & 127 | 128])
            rest >>= 7
        return out + bytes([rest]) + content
    return b"\0" + text(name) + text(value)


def fields(method=b"GET", path=b"/livez", *more):
    pairs = [(b":method", method), (b":scheme", b"http"), (b":authority", b"h"), (b":path", path), *more]
    return b"".join(field(*pair) for pair in pairs)


def request(stream, ends=True, *more, method=b"GET", path=b"/livez"):
    return frame(1, 5 if ends else 4, stream, fields(method, path, *more))


def number(value):
    return struct.pack(">I", value)


COMPLETION = {"method": b"POST", "path": b"/v1/completions"}


def post2(stream):
    return request(stream, False, (b"content-type", b"application/json"), **COMPLETION)


@dataclass
class Flood:
    """Bursts without end: the connection must be closed, and soon."""
    name: str
    burst: Callable[[int], bytes]
    opening: bytes = OPENING


def odd(index):
    return index % (1 << 28) * 2 + 1


# A dynamic table's entry of 4,000 bytes, then that entry again and again: each byte becomes 4,000.
ENTRY = b"\x40" + field(b"x", b"a" * 3900)[1:]
BOMB = frame(1, 5, 1, fields() + ENTRY) + frame(1, 5, 3, fields() + b"\xbe" * 8000)

FLOODS = [
    Flood("rapid reset", lambda index: request(odd(index)) + frame(3, 0, odd(index), number(8))),
    Flood("rapid reset of requests with bodies", lambda index: post2(odd(index)) + frame(3, 0, odd(index), number(8))),
    Flood("resets that we are made to send", lambda index: post2(odd(index)) + frame(8, 0, odd(index), number(0x7fffffff))),
    Flood("CONTINUATION", lambda index: frame(9, 0, 1, field(b"x", b"y")), OPENING + frame(1, 0, 1, fields())),
    Flood("empty CONTINUATION", lambda index: frame(9, 0, 1), OPENING + frame(1, 0, 1, fields())),
    Flood("SETTINGS", lambda index: settings((4, 65535 - index % 2))),
    Flood("SETTINGS with a hundred entries", lambda index: settings(*[(4, 65535)] * 100)),
    Flood("PING", lambda index: frame(6, 0, 0, struct.pack(">Q", index))),
    Flood("PRIORITY", lambda index: frame(2, 0, odd(index), number(0) + b"\x10")),
    Flood("WINDOW_UPDATE", lambda index: frame(8, 0, 0, number(1))),
    Flood("empty DATA", lambda index: frame(0, 0, 1), OPENING + post2(1)),
    Flood("DATA that is all padding", lambda index: frame(0, 8, 1, b"\xff" + bytes(255)), OPENING + post2(1)),
    Flood("unknown frames", lambda index: frame(0x77, 0, 0, bytes(1000))),
    Flood("malformed heads", lambda index: frame(1, 5, odd(index), field(b":path", b"/"))),
    Flood("heads with capital letters", lambda index: request(odd(index), True, (b"X", b"y"))),
    Flood("bad paths", lambda index: request(odd(index), path=b"/../x")),
    Flood("headers over the limit", lambda index: request(odd(index), True, *[(b"a", b"b")] * 101)),
    Flood("headers that unpack to megabytes", lambda index: frame(1, 5, odd(index) + 2, fields() + b"\xbe" * 8000),
          OPENING + frame(1, 5, 1, fields() + ENTRY)),
    Flood("more streams than allowed", lambda index: post2(odd(index))),
    Flood("frames larger than allowed", lambda index: frame(0, 0, 1, bytes(20000)), OPENING + post2(1)),
    Flood("streams numbered backwards", lambda index: request(1), OPENING + request(9)),
    Flood("DATA of a stream that never was", lambda index: frame(0, 0, 99, bytes(100))),
    Flood("PUSH_PROMISE of a client", lambda index: frame(5, 4, 1, number(2) + fields()), OPENING + post2(1)),
    Flood("more DATA than the window holds", lambda index: frame(0, 0, 1, bytes(16384)), OPENING + post2(1)),
]
