"""KServe's own clients, by REST and by gRPC: python3 kserve_client.py HTTP_PORT GRPC_PORT PROMPT OPENAI_TEXT

OPENAI_TEXT is what /v1/completions says to PROMPT with temperature 0.8, seed 11 and 16 tokens: so must everybody else."""

import asyncio
import json
import sys

import numpy
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

web_url, rpc_address = f"http://127.0.0.1:{sys.argv[1]}", f"127.0.0.1:{sys.argv[2]}"
prompt, expected = sys.argv[3:5]
model = "smollm2"
sampling = {"temperature": 0.8, "seed": 11, "max_tokens": 16}


def asked(raw=True, **change):
    """By gRPC the package takes no fractions for parameters, so that there they go as a tensor."""
    wish = {**sampling, **change}
    if not raw:
        texts = [InferInput("text_input", [1], "BYTES", data=[prompt])]
        return InferRequest(model_name=model, request_id="r1", infer_inputs=texts, parameters=wish)
    texts = [InferInput(name, [1], "BYTES") for name in ("text_input", "sampling_parameters")]
    for tensor, text in zip(texts, (prompt, json.dumps(wish))):
        tensor.set_data_from_numpy(numpy.array([text.encode()], dtype=object), binary_data=True)
    return InferRequest(model_name=model, request_id="r1", infer_inputs=texts)


def said(response):
    output = next(output for output in response.outputs if output.name == "text_output")
    value = output.as_numpy()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


async def main():
    web = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await web.is_server_live(web_url) and await web.is_server_ready(web_url)
    assert await web.is_model_ready(web_url, model)
    for raw in (False, True):
        response = await web.infer(web_url, asked(raw), model_name=model)
        assert said(response) == expected and response.id == "r1", (raw, response)
    rpc = InferenceGRPCClient(rpc_address, retries=0)
    assert await rpc.is_server_live() and await rpc.is_server_ready() and await rpc.is_model_ready(model)
    response = await rpc.infer(asked())
    assert said(response) == expected and response.model_name == model, response
    for call in (
        lambda: web.infer(web_url, asked(False, temperature=7), model_name=model),
        lambda: rpc.infer(asked(temperature=7)),
    ):
        try:
            await call()
            raise SystemExit("a temperature of 7 was accepted")
        except Exception as error:
            assert "temperature" in str(getattr(error, "response", None) and error.response.text or error), error
    print("ok")


asyncio.run(main())
