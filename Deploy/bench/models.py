"""Prepares the models that are measured, in .bench/models. Leaves alone what is there.

    .bench/venv/bin/python Deploy/bench/models.py [NAME ...]     names as 135m-q4_1; all without any

135m is SmolLM2-135M-Instruct as published in Q4_1, and quantized again from that: good for speed, not for talk.
1.1b has TinyLlama's shape and random weights: speed depends on the shape alone.
"""

import os
import sys

from common import LLAMA, MODELS, ROOT, output

ORIGINAL = ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"
FORMATS = {"135m": ["Q4_0", "Q4_1", "Q8_0", "Q4_K_M"], "1.1b": ["Q4_0", "Q8_0", "Q4_K_M"]}
NAMES = [f"{model}-{form.lower()}" for model, forms in FORMATS.items() for form in forms]

SEED = 1
WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 2048, 22, 32, 4, 5632, 32_000


def path_of(name):
    return MODELS / f"{name}.gguf"


def format_of(name):
    return name.split("-")[1].upper()


def prepare(names):
    MODELS.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not path_of(name).exists()]
    wide = MODELS / "1.1b-f16.gguf"
    if any(name.startswith("1.1b") for name in missing) and not wide.exists():
        print("writing", wide.name, flush=True)
        write_random(wide)
    for name in missing:
        print("writing", path_of(name).name, flush=True)
        if name == "135m-q4_1":
            os.symlink(os.path.relpath(ORIGINAL, MODELS), path_of(name))
        else:
            quantize(wide if name.startswith("1.1b") else ORIGINAL, path_of(name), format_of(name))
    # It is as large as all that was made of it.
    wide.unlink(missing_ok=True)


def quantize(source, target, form):
    part = target.with_suffix(".part")
    output(LLAMA / "llama-quantize", "--allow-requantize", source, part, form, os.cpu_count() or 1)
    part.rename(target)


def tokenizer():
    """The first tokens of the original's, with their types, and the merges that stay among them."""
    import gguf

    fields = gguf.GGUFReader(ORIGINAL).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()[:VOCABULARY]
    types = fields["tokenizer.ggml.token_type"].contents()[:VOCABULARY]
    known = set(tokens)
    merges = [
        merge for merge in fields["tokenizer.ggml.merges"].contents()
        if known.issuperset(merge.split(" ")) and merge.replace(" ", "") in known]
    others = {
        key: fields[f"tokenizer.ggml.{key}"].contents()
        for key in ("model", "pre", "bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id")}
    return tokens, types, merges, others


def write_random(path):
    import gguf
    import numpy

    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_name("Random 1.1B")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    tokens, types, merges, others = tokenizer()
    writer.add_tokenizer_model(others["model"])
    writer.add_tokenizer_pre(others["pre"])
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(others["bos_token_id"])
    writer.add_eos_token_id(others["eos_token_id"])
    writer.add_unk_token_id(others["unknown_token_id"])
    writer.add_pad_token_id(others["padding_token_id"])
    writer.add_add_bos_token(False)

    chance = numpy.random.default_rng(SEED)

    def matrix(name, rows, columns):
        # Of this size, activations keep theirs from layer to layer.
        values = chance.standard_normal((rows, columns), dtype=numpy.float32) * columns**-0.5
        writer.add_tensor(name, values.astype(numpy.float16))

    def norm(name):
        writer.add_tensor(name, numpy.ones(WIDTH, dtype=numpy.float32))

    kv_width = WIDTH // HEADS * KV_HEADS
    matrix("token_embd.weight", VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        matrix(block + "attn_q.weight", WIDTH, WIDTH)
        matrix(block + "attn_k.weight", kv_width, WIDTH)
        matrix(block + "attn_v.weight", kv_width, WIDTH)
        matrix(block + "attn_output.weight", WIDTH, WIDTH)
        norm(block + "ffn_norm.weight")
        matrix(block + "ffn_gate.weight", FEED_FORWARD, WIDTH)
        matrix(block + "ffn_up.weight", FEED_FORWARD, WIDTH)
        matrix(block + "ffn_down.weight", WIDTH, FEED_FORWARD)
    norm("output_norm.weight")
    matrix("output.weight", VOCABULARY, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(path)


def layer_parameters(path):
    """Weights that every token of a prompt meets: the matrices of all layers. The output matrix sees only the last."""
    import gguf

    return sum(
        int(tensor.n_elements) for tensor in gguf.GGUFReader(path).tensors
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2)


if __name__ == "__main__":
    wanted = sys.argv[1:] or NAMES
    unknown = set(wanted) - set(NAMES)
    if unknown:
        sys.exit(f"no model is called {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    prepare(wanted)
