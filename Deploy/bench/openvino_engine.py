"""Times OpenVINO GenAI's continuous batching on a GGUF file, in this process, as `apus bench --engine` times Apus.

    .bench/venv/bin/python Deploy/bench/openvino_engine.py FILE THREADS STREAMS:PROMPT:OUTPUT ...

Prints a line of JSON for each cell: medians over rounds, after one that warms.
"""

import json
import statistics
import sys
import time

import numpy
import openvino
import openvino_genai as genai

ROUNDS = 3
# All prompts of a cell in one step: afterwards every step is one token for each stream.
STEP_TOKENS = 4096


def pipeline(path, threads):
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 2  # GB: enough for every cell
    scheduler.max_num_batched_tokens = STEP_TOKENS
    scheduler.max_num_seqs = 64
    scheduler.enable_prefix_caching = False
    return genai.ContinuousBatchingPipeline(path, scheduler, "CPU", {"INFERENCE_NUM_THREADS": threads})


def round_of(engine, first_id, streams, prompt, output):
    """Seconds of the prompts' step, which gives the first tokens, and of all further tokens."""
    settings = genai.GenerationConfig()
    settings.ignore_eos, settings.do_sample = True, False
    settings.max_new_tokens = settings.min_new_tokens = output
    handles = []  # a request whose handle is gone is dropped
    for stream in range(streams):
        # The prompts of apus bench --engine.
        tokens = [[1000 + (i + 31 * stream) * 7919 % 20_000 % 15_000 for i in range(prompt)]]
        handles.append(engine.add_request(
            first_id + stream, openvino.Tensor(numpy.array(tokens, dtype=numpy.int64)), settings))
    ends = [time.perf_counter()]
    while engine.has_non_finished_requests():
        engine.step()
        ends.append(time.perf_counter())
    if len(ends) - 1 != output:
        raise RuntimeError(f"{len(ends) - 1} steps for {output} tokens each: streams did not advance together")
    return ends[1] - ends[0], ends[-1] - ends[1]


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    engine = pipeline(path, threads)
    next_id = 0
    for cell in sys.argv[3:]:
        streams, prompt, output = map(int, cell.split(":"))
        rounds = []
        for _ in range(1 + ROUNDS):
            rounds.append(round_of(engine, next_id, streams, prompt, output))
            next_id += streams
        prefill, decode = (statistics.median(times) for times in zip(*rounds[1:]))
        print(json.dumps({
            "streams": streams, "prefill_tokens_per_s": streams * prompt / prefill,
            "decode_tokens_per_s": streams * (output - 1) / decode if output > 1 else 0}), flush=True)


if __name__ == "__main__":
    main()
