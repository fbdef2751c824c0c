"""Servers that a model is pulled from: a hub over HTTP, storage over HTTPS, and a proxy. Prints their ports as one line of
JSON, then a line for each request. Arguments: certificate, key."""

import hashlib
import http.server
import json
import random
import socket
import socketserver
import ssl
import sys
import threading

CONTENT = random.Random(7).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
lock = threading.Lock()
seen = {}
ports = {}


def tell(**line):
    with lock:
        print(json.dumps(line), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, fields=(), body=b"", length=None):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def count(self, key):
        with lock:
            seen[key] = seen.get(key, 0) + 1
            return seen[key]

    def do_GET(self):
        tell(server=self.server.name, path=self.path, token=self.headers.get("authorization"),
             range=self.headers.get("range"), condition=self.headers.get("if-range"))
        path = self.path.split("://", 1)[-1]
        path = path[path.index("/"):]
        if path.startswith("/org/repo/resolve/"):
            name = path.rsplit("/", 1)[1]
            told = "0" * 64 if name == "damaged.gguf" else DIGEST
            storage = f"https://127.0.0.1:{ports['storage']}/files/{name}?sig=1"
            return self.answer(302, [("location", storage), ("x-linked-etag", f'"{told}"')])
        if path.startswith("/loop"):
            return self.answer(307, [("location", self.path)])
        if path.startswith("/downgrade"):
            return self.answer(302, [("location", f"http://127.0.0.1:{ports['hub']}/files/plain.gguf")])
        if path.startswith("/secret"):
            return self.answer(401)
        if path.startswith("/busy") and self.count(path) < 3:
            return self.answer(503)
        if path.startswith(("/files/", "/busy")):
            return self.file(path.split("?")[0])
        self.answer(404)

    def file(self, path):
        tag = f'"{"b" if path.endswith("changing.gguf") and self.count("tag") > 1 else "a"}"'
        first = 0
        condition = self.headers.get("if-range")
        if self.headers.get("range") and condition in (None, tag):
            first = int(self.headers["range"].removeprefix("bytes=").rstrip("-"))
        if first >= len(CONTENT):
            return self.answer(416, [("content-range", f"bytes */{len(CONTENT)}")])
        rest = CONTENT[first:]
        fields = [("etag", tag)]
        if first:
            fields.append(("content-range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"))
        # The first two answers about a file break off.
        sent = rest[:1_000_000] if "plain" not in path and self.count(path) < 3 else rest
        self.answer(206 if first else 200, fields, sent, len(rest))
        if len(sent) < len(rest):
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True

    def do_CONNECT(self):
        tell(server=self.server.name, connect=self.path, authorization=self.headers.get("proxy-authorization"))
        host, port = self.path.rsplit(":", 1)
        try:
            other = socket.create_connection((host, int(port)))
        except OSError:
            return self.answer(502)
        self.send_response(200)
        self.end_headers()

        def copy(source, target):
            try:
                while piece := source.recv(65536):
                    target.sendall(piece)
            except OSError:
                pass
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        back = threading.Thread(target=copy, args=(other, self.connection))
        back.start()
        copy(self.connection, other)
        back.join()
        self.close_connection = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(name, context=None):
    server = Server(("127.0.0.1", 0), Handler)
    server.name = name
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    ports[name] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
serve("hub")
serve("proxy")
serve("storage", context)
tell(**ports, digest=DIGEST, size=len(CONTENT))
sys.stdin.read()
