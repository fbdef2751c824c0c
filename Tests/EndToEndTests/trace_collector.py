"""A collector for tests: takes OTLP over HTTP on a free port, decodes it with OpenTelemetry's own messages, and writes one
JSON object a line on standard output: first the port, then each span with the resource it came from. Ends with its parent.

    python3 trace_collector.py
"""

import http.server
import json
import os
import signal
import sys
import threading
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def value(each):
    kind = each.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in each.array_value.values]
    return getattr(each, kind)


def attributes(pairs) -> dict:
    names = [pair.key for pair in pairs]
    assert len(names) == len(set(names)), f"an attribute twice: {names}"
    return {pair.key: value(pair.value) for pair in pairs}


def say(line: dict) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        request = ExportTraceServiceRequest.FromString(body)
        request.DiscardUnknownFields()
        assert request.SerializeToString(deterministic=True) == body, "fields that the messages do not have"
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                assert scope.scope.name == "apus"
                for span in scope.spans:
                    assert (len(span.trace_id), len(span.span_id), len(span.parent_span_id) in (0, 8)) == (16, 8, True)
                    assert span.start_time_unix_nano <= span.end_time_unix_nano
                    say({
                        "name": span.name, "trace": span.trace_id.hex(), "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(), "state": span.trace_state,
                        "kind": Span.SpanKind.Name(span.kind), "start": span.start_time_unix_nano,
                        "end": span.end_time_unix_nano, "error": span.status.code == Status.STATUS_CODE_ERROR,
                        "why": span.status.message, "attributes": attributes(span.attributes),
                        "resource": attributes(resource.resource.attributes),
                    })
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        # A worker that is killed takes its connection with it.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


# Whoever starts it may have blocked the signal, and would pass that on.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
parent = os.getppid()
server = Server(("127.0.0.1", 0), Collector)
say({"port": server.server_address[1]})
threading.Thread(target=server.serve_forever, daemon=True).start()
while os.getppid() == parent:
    time.sleep(0.2)
