"""What users of tritonclient and of gRPC's tools do, against a running cluster:
python3 triton_client.py HTTP_PORT GRPC_PORT PROMPT OPENAI_TEXT ADMIN_PORT

OPENAI_TEXT is what /v1/completions says to PROMPT with temperature 0.8, seed 11 and 16 tokens: so must everybody else."""

import json
import queue
import sys

import grpc
import numpy
import tritonclient.grpc
import tritonclient.http
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

http_address, grpc_address = ("127.0.0.1:" + port for port in sys.argv[1:3])
prompt, expected = sys.argv[3:5]
model = "smollm2"
sampling = {"temperature": 0.8, "seed": 11, "max_tokens": 16}
service = "inference.GRPCInferenceService"
web = tritonclient.http.InferenceServerClient(http_address)
rpc = tritonclient.grpc.InferenceServerClient(grpc_address)


def inputs(of, text=prompt, stream=False, parameters=sampling, **flags):
    """Tensors of `tritonclient.http` or `tritonclient.grpc`, as Triton's users make them for its vLLM backend."""
    tensors = []
    for name, values, datatype in [
        ("text_input", [text.encode()], "BYTES"),
        ("sampling_parameters", [json.dumps(parameters).encode()], "BYTES"),
        ("stream", [stream], "BOOL"),
        *((name, [value], "BOOL") for name, value in flags.items()),
    ]:
        tensors.append(of.InferInput(name, [1], datatype))
        tensors[-1].set_data_from_numpy(numpy.array(values, dtype=object if datatype == "BYTES" else bool))
    return tensors


def refused(call, *parts):
    """The exception that `call` must end in, whose text must have all `parts`."""
    try:
        call()
    except (tritonclient.http.InferenceServerException, grpc.RpcError) as error:
        for part in parts:
            assert part in str(error), (part, str(error))
        return error
    raise SystemExit(f"was not refused: {parts}")


# Who is there.
for client in (web, rpc):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert client.is_model_ready(model, "1")
assert web.get_server_metadata()["name"] == rpc.get_server_metadata().name == "apus"
described = web.get_model_metadata(model)
assert [tensor["name"] for tensor in described["inputs"]][:2] == ["text_input", "input_ids"]
assert [tensor.name for tensor in rpc.get_model_metadata(model).outputs][0] == "text_output"
assert web.get_model_config(model)["model_transaction_policy"]["decoupled"]
assert rpc.get_model_config(model, as_json=True)["config"]["input"][0]["data_type"] == "TYPE_STRING"
assert web.get_model_repository_index() == [{"name": model, "version": "1", "state": "READY", "reason": ""}]
assert rpc.get_model_repository_index().models[0].state == "READY"
refused(lambda: web.get_model_metadata("nobody"), "404", "nobody")
refused(lambda: rpc.get_model_metadata("nobody"), "NOT_FOUND", "nobody")
refused(lambda: web.load_model(model), "403", "admin port")
refused(lambda: rpc.unload_model(model), "PERMISSION_DENIED", "admin port")
admin = tritonclient.http.InferenceServerClient("127.0.0.1:" + sys.argv[5])
admin.unload_model(model)
assert web.get_model_repository_index() == [{"name": model, "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}]
refused(lambda: web.get_model_metadata(model), "404", "model")
admin.load_model(model)
assert rpc.get_model_repository_index().models[0].state == "READY" and web.is_model_ready(model)
assert rpc.get_trace_settings().settings["trace_level"].value == ["OFF"]
assert web.get_trace_settings() == {"trace_level": ["OFF"]}
refused(lambda: rpc.get_log_settings(), "UNIMPLEMENTED", "--log-level")

# One answer, whoever asks.
answers = [
    web.infer(model, inputs(tritonclient.http)),
    web.infer(model, inputs(tritonclient.http), outputs=[tritonclient.http.InferRequestedOutput("text_output")]),
    web.infer(
        model, inputs(tritonclient.http), model_version="1",
        outputs=[tritonclient.http.InferRequestedOutput("text_output", binary_data=False)]),
    rpc.infer(model, inputs(tritonclient.grpc)),
    rpc.infer(model, inputs(tritonclient.grpc, parameters={})[:2], parameters={**sampling, "temperature": "0.8"}),
]
for answer in answers:
    text = answer.as_numpy("text_output")
    assert text.shape == (1,), text
    text = text[0].decode() if isinstance(text[0], bytes) else text[0]
    assert text == expected, (text, expected)

# Token ids in and out.
ids = numpy.array([504, 808, 314], dtype=numpy.int64)
by_ids = []
for of, client in ((tritonclient.http, web), (tritonclient.grpc, rpc)):
    tensor = of.InferInput("input_ids", ids.shape, "INT64")
    tensor.set_data_from_numpy(ids)
    by_ids.append(client.infer(model, [tensor], parameters={"max_tokens": 5, "ignore_eos": True, "seed": 3}))
assert by_ids[0].as_numpy("output_ids").tolist() == by_ids[1].as_numpy("output_ids").tolist()
assert by_ids[0].as_numpy("output_ids").shape == (5,) and by_ids[0].as_numpy("output_ids").dtype == numpy.int64

# What else an answer can tell.
told = rpc.infer(
    model, inputs(tritonclient.grpc, return_finish_reason=True, return_num_output_tokens=True,
                  return_num_input_tokens=True, return_cumulative_logprob=True), request_id="q7")
assert told.get_response().id == "q7"
assert told.as_numpy("finish_reason")[0] in (b"length", b"stop")
assert told.as_numpy("num_output_tokens")[0] <= 16 and told.as_numpy("num_input_tokens")[0] > 1
assert told.as_numpy("cumulative_logprob")[0] < 0
kept = rpc.infer(model, inputs(tritonclient.grpc, exclude_input_in_output=False))
assert kept.as_numpy("text_output")[0].decode() == prompt + expected
many = tritonclient.grpc.InferInput("text_input", [2, 1], "BYTES")
many.set_data_from_numpy(numpy.array([[prompt.encode()], [b"Two birds"]], dtype=object))
several = rpc.infer(model, [many], parameters=sampling).as_numpy("text_output")
assert several.shape == (2, 1) and several[0][0].decode() == expected, several

# Streams: three at once on one call, told apart by their ids; one of them is refused, and the others do not mind.
replies = queue.Queue()
rpc.start_stream(callback=lambda result, error: replies.put((result, error)))
for name in ("a", "b"):
    rpc.async_stream_infer(
        model, inputs(tritonclient.grpc, stream=True), request_id=name, enable_empty_final_response=True)
rpc.async_stream_infer(model, inputs(tritonclient.grpc, parameters={"temperature": 9}), request_id="wrong")
texts, ended, pieces, errors = {"a": "", "b": ""}, set(), 0, []
while len(ended) < 2 or not errors:
    result, error = replies.get(timeout=60)
    if error:
        errors.append(str(error))
        continue
    response = result.get_response()
    if response.parameters["triton_final_response"].bool_param:
        ended.add(response.id)
    else:
        pieces += 1
        texts[response.id] += result.as_numpy("text_output")[0].decode()
rpc.stop_stream()
assert texts == {"a": expected, "b": expected}, (texts, expected)
assert pieces > 4 and len(errors) == 1 and "temperature" in errors[0], (pieces, errors)

# Mistakes and limits are the client's to hear of.
refused(lambda: rpc.infer("nobody", inputs(tritonclient.grpc)), "NOT_FOUND", "nobody")
refused(lambda: rpc.infer(model, inputs(tritonclient.grpc), model_version="2"), "NOT_FOUND", "version 1")
refused(lambda: rpc.infer(model, inputs(tritonclient.grpc, parameters={"top_p": 7})), "INVALID_ARGUMENT", "top_p")
refused(lambda: web.infer(model, inputs(tritonclient.http, parameters={"top_p": 7})), "400", "top_p")
refused(lambda: rpc.infer(model, inputs(tritonclient.grpc)[1:]), "INVALID_ARGUMENT", "text_input")
refused(
    lambda: rpc.infer(
        model, inputs(tritonclient.grpc, parameters={"max_tokens": 4000, "ignore_eos": True}), client_timeout=0.3),
    "Deadline Exceeded")
refused(lambda: web.infer(model, inputs(tritonclient.http), request_compression_algorithm="gzip"), "415", "gzip")

# Statistics count what was answered.
by_web = web.get_inference_statistics(model)["model_stats"][0]
by_rpc = rpc.get_inference_statistics(model).model_stats[0]
assert by_web["inference_stats"]["success"]["count"] == by_rpc.inference_stats.success.count >= 10
assert by_rpc.inference_count == by_rpc.execution_count + 1 and by_rpc.inference_stats.compute_infer.ns > 0

# gRPC's own services: health by name, and reflection, from which a request can be made without any .proto file.
channel = grpc.insecure_channel(grpc_address)
health = health_pb2_grpc.HealthStub(channel)
for name in ("", service, model):
    assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
error = refused(lambda: health.Check(health_pb2.HealthCheckRequest(service="nobody")))
assert error.code() == grpc.StatusCode.NOT_FOUND, error
database = ProtoReflectionDescriptorDatabase(channel)
assert set(database.get_services()) == {
    service, "externalscaler.ExternalScaler", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection"}
pool = DescriptorPool(database)
method = pool.FindServiceByName(service).FindMethodByName("ModelReady")
ask, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
ready = channel.unary_unary(f"/{service}/ModelReady", ask.SerializeToString, answer.FromString)
assert ready(ask(name=model)).ready
error = refused(lambda: ready(ask(name="nobody")))
assert error.code() == grpc.StatusCode.NOT_FOUND and "nobody" in error.details(), error

print("all is well")
