"""What KEDA does with a router whose workers were all scaled away, against a real one:
python3 keda_client.py HTTP_PORT GRPC_PORT APUS WORKER_ARGUMENTS...

The messages are made from what server reflection tells. In place of a Deployment's replicas, this starts a worker."""

import json
import queue
import subprocess
import sys
import threading
import time
import urllib.request

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

http_port, grpc_port, *worker_command = sys.argv[1:]
channel = grpc.insecure_channel("127.0.0.1:" + grpc_port)
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
service = pool.FindServiceByName("externalscaler.ExternalScaler")
methods = {method.name: method for method in service.methods}
assert set(methods) == {"IsActive", "StreamIsActive", "GetMetricSpec", "StreamMetricSpec", "GetMetrics"}


def call(name, fields):
    method = methods[name]
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    make = channel.unary_stream if name.startswith("Stream") else channel.unary_unary
    return make(
        f"/{service.full_name}/{name}",
        request_serializer=request.SerializeToString, response_deserializer=response.FromString,
    )(ParseDict(fields, request()))


trigger = {"name": "apus-worker", "namespace": "apus", "scalerMetadata": {"modelName": "apart"}}
assert call("IsActive", trigger).result is False
[spec] = call("GetMetricSpec", trigger).metric_specs
assert (spec.metric_name, spec.target_size_float, spec.target_size) == ("apus-desired-workers", 1.0, 1)
assert next(call("StreamMetricSpec", trigger)).metric_specs[0] == spec
try:
    call("IsActive", trigger | {"scalerMetadata": {"modelName": "nobody"}})
    raise SystemExit("a model that is not served was not refused")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND and "'nobody'" in error.details(), error


def value():
    answer = call("GetMetrics", {"scaledObjectRef": trigger, "metricName": spec.metric_name})
    return answer.metric_values[0].metric_value_float


assert value() == 0
states = queue.Queue()
pushes = call("StreamIsActive", trigger)


def follow():
    try:
        for push in pushes:
            states.put((time.monotonic(), push.result))
    except grpc.RpcError:
        states.put(None)


threading.Thread(target=follow, daemon=True).start()
assert states.get(timeout=10)[1] is False

# A request comes while nobody is there. It waits.
body = {"model": "apart", "prompt": "Once upon a time", "max_tokens": 20, "stream": True, "temperature": 0}
request = urllib.request.Request(
    f"http://127.0.0.1:{http_port}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"})
answer = queue.Queue()
asked = time.monotonic()
threading.Thread(target=lambda: answer.put(urllib.request.urlopen(request, timeout=120).read()), daemon=True).start()
at, active = states.get(timeout=10)
assert active is True
deadline = time.monotonic() + 10
while value() != 1:
    assert time.monotonic() < deadline, "no worker is wanted for the request that waits"
    time.sleep(0.1)

worker = subprocess.Popen(worker_command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    text = answer.get(timeout=120).decode()
    assert text.rstrip().endswith("data: [DONE]") and text.count('"text"') > 1 and "error" not in text, text
    assert states.get(timeout=10)[1] is False
    assert call("IsActive", trigger).result is False
finally:
    pushes.cancel()
    worker.terminate()
    worker.wait()
print(f"the scaler was told after {(at - asked) * 1000:.0f} ms")
