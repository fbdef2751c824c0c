"""Calls of gRPC with names of their own: python3 log_client.py GRPC_PORT KEY CANARY ROUNDS

The canary is in prompts, models, headers and keys. Prints a line `ID OUTCOME` for each call."""

import sys

import numpy
import tritonclient.grpc

port, key, canary, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
rpc = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}")


def infer(name, with_key=key, model="smollm2", **parameters):
    text = tritonclient.grpc.InferInput("text_input", [1], "BYTES")
    text.set_data_from_numpy(numpy.array([f"Tell of {canary}".encode()], dtype=object))
    headers = {"x-request-id": name, "authorization": f"Bearer {with_key}", "x-note": canary}
    rpc.infer(model, [text], headers=headers, parameters={"max_tokens": 3, **parameters})


def ask(name, outcome, call):
    try:
        call()
        assert outcome == "completed", name
    except tritonclient.grpc.InferenceServerException as error:
        assert outcome != "completed", (name, error)
    print(name, outcome)


for turn in range(rounds):
    ask(f"g{turn}-good", "completed", lambda: infer(f"g{turn}-good"))
    ask(f"g{turn}-bad", "3", lambda: infer(f"g{turn}-bad", temperature=7))
    ask(f"g{turn}-model", "5", lambda: infer(f"g{turn}-model", model=canary))
    ask(f"g{turn}-key", "16", lambda: infer(f"g{turn}-key", with_key=f"apus-{canary}"))
    ask(
        f"g{turn}-config", "5",
        lambda: rpc.get_model_config(
            canary, headers={"x-request-id": f"g{turn}-config", "authorization": f"Bearer {key}"}
        ),
    )
