"""Makes the inputs that the fuzzers begin with: small and good, so that changes of them reach deep.

Usage: python3 Tests/Fuzz/make_seeds.py        (from the repository's root)
What the fuzzers found since and kept stays beside them: Tests/Fuzz/fuzz.py keep.
"""

import json
import struct
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"


def keep(target, seeds):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number:02}").write_bytes(seed if isinstance(seed, bytes) else seed.encode())


# GGUF

def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(kind, payload):
    return struct.pack("<I", kind) + payload


def u32(number):
    return value(4, struct.pack("<I", number))


def f32(number):
    return value(6, struct.pack("<f", number))


def string(words):
    return value(8, text(words))


def strings(words):
    return value(9, struct.pack("<IQ", 8, len(words)) + b"".join(map(text, words)))


def numbers(kind, code, values):
    return value(9, struct.pack("<IQ", kind, len(values)) + struct.pack(f"<{len(values)}{code}", *values))


def gguf(entries, tensors=(), version=3, alignment=32):
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    out += b"".join(text(key) + encoded for key, encoded in entries.items())
    data = b""
    for name, shape, kind, content in tensors:
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content + bytes(-len(content) % alignment)
    return out + (bytes(-len(out) % alignment) + data if tensors else b"")


def floats(*shape):
    count = 1
    for side in shape:
        count *= side
    return (list(shape), 0, struct.pack(f"<{count}f", *(0.01 * (place % 7) for place in range(count))))


def tiny_llama(architecture="llama"):
    """32 wide, one layer of two heads, eight tokens."""
    tokens = ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "▁a", "b"]
    entries = {
        "general.architecture": string(architecture), "general.name": string("tiny"),
        f"{architecture}.context_length": u32(64), f"{architecture}.embedding_length": u32(32),
        f"{architecture}.block_count": u32(1), f"{architecture}.feed_forward_length": u32(32),
        f"{architecture}.attention.head_count": u32(2), f"{architecture}.attention.head_count_kv": u32(1),
        f"{architecture}.attention.layer_norm_rms_epsilon": f32(1e-5), f"{architecture}.rope.freq_base": f32(10000),
        "tokenizer.ggml.model": string("llama"), "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.scores": numbers(6, "f", [0.0] * len(tokens)),
        "tokenizer.ggml.token_type": numbers(5, "i", [2, 3, 3, 6, 1, 1, 1, 1]),
        "tokenizer.chat_template": string("{{ messages[0].content }}"),
    }
    tensors = [("token_embd.weight", [32, 8], 2, bytes(8 * 18)), ("output_norm.weight", *floats(32))]
    for name, shape in {
        "attn_norm": [32], "ffn_norm": [32], "attn_q": [32, 32], "attn_k": [32, 16], "attn_v": [32, 16],
        "attn_output": [32, 32], "ffn_gate": [32, 32], "ffn_up": [32, 32], "ffn_down": [32, 32],
    }.items():
        kind = 0 if len(shape) == 1 else 2
        size = 128 if kind == 0 else shape[1] * 18
        tensors.append((f"blk.0.{name}.weight", shape, kind, bytes(size)))
    return gguf(entries, tensors)


def tiny_gpt2():
    tokens = ["a", "b", "ab", "Ġ", "<end>"]
    return gguf({
        "general.architecture": string("gpt2"), "tokenizer.ggml.model": string("gpt2"),
        "tokenizer.ggml.pre": string("gpt-2"), "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.token_type": numbers(5, "i", [1, 1, 1, 1, 3]), "tokenizer.ggml.merges": strings(["a b"]),
        "tokenizer.ggml.eos_token_id": u32(4), "tokenizer.ggml.add_bos_token": value(7, b"\0"),
    })


def tiny_bert():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁a", "b"]
    return gguf({
        "general.architecture": string("bert"), "bert.context_length": u32(64), "bert.embedding_length": u32(32),
        "bert.block_count": u32(1), "bert.feed_forward_length": u32(32), "bert.attention.head_count": u32(2),
        "bert.attention.layer_norm_epsilon": f32(1e-12), "bert.pooling_type": u32(1),
        "tokenizer.ggml.model": string("bert"), "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.token_type": numbers(5, "i", [3, 2, 3, 3, 1, 1]),
        "tokenizer.ggml.cls_token_id": u32(2), "tokenizer.ggml.seperator_token_id": u32(3),
    })


def model_files():
    kinds = {
        "u8": value(0, b"\1"), "i8": value(1, b"\xff"), "u16": value(2, b"\1\0"), "i16": value(3, b"\1\0"),
        "i32": value(5, bytes(4)), "bool": value(7, b"\1"), "u64": value(10, bytes(8)), "i64": value(11, bytes(8)),
        "f64": value(12, bytes(8)), "bools": value(9, struct.pack("<IQ", 7, 3) + b"\0\1\0"), "general.alignment": u32(64),
    }
    keep("gguf", [
        gguf({}), gguf(kinds), gguf(kinds, [("x", *floats(4, 2))], alignment=64), gguf({}, [("q8", [32], 8, bytes(34))]),
        tiny_llama(), tiny_llama("qwen3"), tiny_gpt2(), tiny_bert(), gguf({}, version=2)])


def safetensors():
    def file(header, data=b""):
        encoded = json.dumps(header).encode()
        return struct.pack("<Q", len(encoded)) + encoded + data

    keep("safetensors", [
        file({}), file({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, bytes(16)),
        file({"__metadata__": {"format": "pt"}, "a": {"dtype": "F16", "shape": [3], "data_offsets": [0, 6]},
              "b": {"dtype": "I64", "shape": [], "data_offsets": [6, 14]}}, bytes(14)),
        file({"a": {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}})])


# HTTP

def http1():
    host = "Host: h\r\n"
    keep("http1", [
        f"GET / HTTP/1.1\r\n{host}\r\n", "GET /a%20b?q=1 HTTP/1.0\r\nConnection: close\r\n\r\n",
        f"POST /x HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhelloGET /y HTTP/1.1\r\n{host}\r\n",
        f"POST /x HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-t: 1\r\n\r\nGET / HTTP/1.1\r\n{host}\r\n",
        f"POST /x HTTP/1.1\r\n{host}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
        f"POST /st HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
        f"POST /ea HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nabcGET /ha HTTP/1.1\r\n{host}\r\n",
        f"GET /ab HTTP/1.1\r\n{host}\r\n", f"HEAD / HTTP/1.1\r\n{host}X-Echo: \tv \r\n\r\n",
        f"POST / HTTP/1.1\r\n{host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"GET / HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n", f"GET / HTTP/1.1\n{host}\n"])


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, content):
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(content)]) + content.encode()


def fields(method="GET", path="/", **more):
    pairs = {":method": method, ":scheme": "http", ":authority": "h", ":path": path} | more
    return b"".join(field(name, content) for name, content in pairs.items())


def http2():
    # Indexed: :method GET, :scheme http, :path /; then :authority with Huffman's code.
    packed = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"
    post = frame(1, 4, 1, fields("POST", "/x"))
    keep("http2", [
        frame(1, 5, 1, packed), frame(1, 5, 1, fields()) + frame(1, 5, 3, fields(path="/ha")),
        post + frame(0, 0, 1, b"hello") + frame(0, 1, 1, b"!"), post + frame(0, 9, 1, b"\3abc\0\0\0"),
        frame(1, 4, 1, fields("POST", "/st")) + frame(0, 0, 1, b"a") + frame(1, 5, 1, field("x-t", "1")),
        frame(1, 4, 1, fields("POST", "/ha")) + frame(3, 0, 1, bytes([0, 0, 0, 8])),
        frame(1, 0, 1, fields()[:20]) + frame(9, 4, 1, fields()[20:]),
        frame(4, 0, 0, struct.pack(">HIHI", 3, 1, 4, 65536)) + frame(4, 1) + frame(6, 0, 0, bytes(8)),
        frame(8, 0, 0, struct.pack(">I", 1000)) + frame(2, 0, 1, bytes(5)) + frame(7, 0, 0, bytes(8)),
        frame(1, 0x25, 1, bytes(5) + fields(path="/ea")) + frame(0x77, 0, 0, b"?"),
        frame(1, 5, 1, b"\x3f\xe1\x1f" + fields(**{"x-echo": "v"})) + frame(1, 5, 3, b"\x82\x86\x84\xbe"),
        frame(1, 5, 1, fields(path="/../x")) + frame(1, 5, 3, fields(path="/ab"))])


# Protocol buffers

def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(**parts):
    """Fields by number (f1=…): whole numbers, floats, bytes, lists of these; strings as bytes."""
    out = b""
    for name, content in parts.items():
        number = int(name[1:])
        for each in content if isinstance(content, list) else [content]:
            if isinstance(each, str):
                each = each.encode()
            if isinstance(each, float):
                out += varint(number << 3 | 5) + struct.pack("<f", each)
            elif isinstance(each, int):
                out += varint(number << 3) + varint(each)
            else:
                out += varint(number << 3 | 2) + varint(len(each)) + each
    return out


def packed(*values):
    return b"".join(map(varint, values))


def packed_floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def link():
    sampling = message(f1=1.0, f3=1.0, f5=1.0, f8=packed(3, 5), f9=packed_floats(1, -1), f11=8, f13=packed(2), f14=2)
    constrained = message(f3=1.0, f5=1.0, f11=8, f16=message(f1=2, f2="a+"))
    salt = varint(6 << 3 | 1) + bytes(8)
    description = message(f1="m", f2="id", f3=1, f4=4, f5=100, f6=16, f7=64, f8=300, f9=512)
    load = message(f1=1, f2=2, f3=3, f4=4)
    step = message(f1=9, f2=100, f3=2, f4=load, f5=3, f6=packed(1, 2), f7=packed(1, 1), f8=packed(7, 8), f9=packed(0, 2))
    scored = message(
        f1=9, f6=packed(1), f7=packed(1), f8=packed(7), f11=packed(3),
        f12=message(f1=packed(1), f2=packed(7), f3=packed_floats(-1), f4=packed(1), f5=packed(8), f6=packed_floats(-2)))
    failed = message(f1=1, f6=packed(1), f7=packed(0), f9=packed(3), f10="no room")
    pooled = message(f1=1, f6=packed(1), f7=packed(0), f9=packed(1), f14=packed(2), f15=packed_floats(0.5, 0.5))
    hashes = struct.pack("<2Q", 1, 2)
    tokenizer = message(
        f1=1, f2="gpt-2", f3=["a", "b", "ab", "<end>"], f4=b"\1\1\1\3", f6=["a b"], f8=3, f14="{{ messages }}")

    def admit(**more):
        return message(f2=message(f1=1, f2=packed(5, 6, 7), f3=3) + message(**more) + salt)

    keep("link", [
        b"\0" + message(f1=message(f1=1, f2=2, f3="router", f4=7)), b"\0" + admit(f4=sampling, f5=3),
        b"\0" + admit(f4=constrained), b"\0" + admit(f4=sampling, f7=message(f1=2)), b"\0" + message(f3=message(f1=1)),
        b"\0" + message(f4=message(f1=1)), b"\0" + message(f5=b"\x09" + struct.pack("<d", 30)),
        b"\1" + message(f1=message(f1=2, f2=description)), b"\1" + message(f2=step), b"\1" + message(f2=scored),
        b"\1" + message(f2=failed), b"\1" + message(f2=pooled), b"\1" + message(f3=message(f1=1, f2=2, f3=load, f4=5)),
        b"\1" + message(f4=message(f1=hashes, f2=hashes, f3=1)), b"\1" + message(f5=message(f1=1)), b"\1" + message(f7=b""),
        b"\2" + description + message(f10=message(f1=4)), b"\3" + message(f1=len(tokenizer), f2=tokenizer)])


def grpc():
    def framed(*messages):
        return b"".join(b"\0" + struct.pack(">I", len(each)) + each for each in messages)

    shape = packed(1)
    infer = message(
        f1="tiny", f3="7", f5=message(f1="text_input", f2="BYTES", f3=shape, f5=message(f8="Hi")),
        f6=message(f1="text_output"))
    raw = message(
        f1="tiny", f5=message(f1="text_input", f2="BYTES", f3=shape), f7=struct.pack("<I", 2) + b"Hi",
        f4=message(f1="max_tokens", f2=message(f2=4)))
    scaled = message(f1="apus", f2="default", f3=message(f1="model", f2="tiny"))
    keep("grpc", [bytes([method, 255]) + framed(b"") for method in (0, 1, 2, 9)] + [
        bytes([3, 255]) + framed(message(f1=message(f1="trace_level", f2=message(f1="OFF")))),
        bytes([5, 2]) + framed(message(f1="tiny")), bytes([6, 255]) + framed(message(f1="tiny")),
        bytes([7, 255]) + framed(message(f1="tiny")), bytes([8, 255]) + framed(message(f1="tiny")),
        bytes([12, 255]) + framed(infer), bytes([12, 9]) + framed(raw), bytes([13, 255]) + framed(infer, raw),
        bytes([14, 255]) + framed(scaled), bytes([15, 255]) + framed(scaled),
        bytes([16, 255]) + framed(message(f1=scaled, f2="apus_desired_workers")), bytes([17, 255]) + framed(scaled),
        bytes([18, 255]) + framed(message(f7=""), message(f4="inference.GRPCInferenceService"), message(f3="x.proto")),
        bytes([19, 255]) + framed(message(f1="")), bytes([20, 255]) + framed(b"")])


# Requests

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"enum": ["x", None]}},
          "required": ["a"], "additionalProperties": False}
CHAT = [{"role": "user", "content": "Hi"}]


def requests():
    def body(route, **fields):
        return bytes([route]) + json.dumps({"model": "tiny"} | fields).encode()

    infer = {"inputs": [{"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["Hi"]}]}
    keep("requests", [
        body(0, messages=CHAT, stream=True, stream_options={"include_usage": True}, logprobs=True, top_logprobs=2),
        body(0, messages=CHAT + [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {
            "name": "weather", "arguments": "{\"city\":\"Köln\"}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "4"}],
            tools=[TOOL], tool_choice="required", parallel_tool_calls=False),
        body(0, messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], response_format={
            "type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, max_completion_tokens=9, n=2),
        body(0, messages=CHAT, stop=["a", "b"], temperature=0.5, top_p=0.9, top_k=4, min_p=0.1, seed=7, logit_bias={"5": 1},
             presence_penalty=1, frequency_penalty=-1, repetition_penalty=1.1, stop_token_ids=[3], ignore_eos=True),
        body(1, prompt="Hi", max_tokens=4, echo=True, logprobs=1, stream=True), body(1, prompt=[[72, 105], [1]], n=2),
        body(1, prompt="Hi", guided_regex="a+") + b"\0AAAA.BBBB", body(1, prompt=["a", "b"], guided_choice=["x", "y"]),
        body(2, model="reader", input=["a", "b"], encoding_format="base64", dimensions=2),
        body(3, model="reader", query="q", documents=["a", {"text": "b"}], top_n=1),
        body(4, model="reader", text_1="a", text_2=["b", "c"]), body(5, prompt="Hi", add_special_tokens=True),
        body(5, messages=CHAT), body(6, tokens=[72, 105]), body(7, input="Hi", instructions="Be brief.", stream=True),
        body(7, input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], tools=[
            {"type": "function", "name": "weather", "parameters": {}}], text={"format": {"type": "json_object"}}),
        body(8, messages=CHAT, max_tokens=4, system="s", stream=True, tools=[{"name": "weather", "input_schema": SCHEMA}]),
        body(9, messages=CHAT), body(10, messages=CHAT, options={"num_predict": 4, "stop": ["x"]}, format="json"),
        body(11, prompt="Hi", stream=False, format=SCHEMA), body(12, model="reader", input="Hi"), body(13),
        body(14, **infer), body(15, inputs=[{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]),
        body(16, text_input="Hi", parameters={"max_tokens": 4}), body(17, text_input="Hi", stream=True), body(18, ready=True)])
    keep("json", [
        json.dumps(SCHEMA), "[1, -0.5e3, true, false, null, 18446744073709551615, -9223372036854775808, 1e308]",
        '"\\u00e9\\ud83d\\ude00\\n\\"\\\\/é"', " {\"a\": {\"b\": [[], {}]}} ", "0.1", "1e-400", "1E+2"])


def templates():
    path = HERE.parent / "Fixtures/templates.json"
    fixture = json.loads(path.read_text())
    sources = [each["source"] for each in fixture["templates"].values()]
    snippets = [each["template"] for each in fixture["snippets"]]
    joined = ["\n".join(snippets[start:start + 12]) for start in range(0, len(snippets), 12)]
    keep("template", sources + [each for each in joined if len(each) < 4096])


def grammars():
    schemas = [
        SCHEMA, True, {"type": ["string", "null"], "maxLength": 3, "pattern": "^a|b$"},
        {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2}, {"const": {"a": [1]}},
        {"anyOf": [{"type": "integer", "minimum": -5, "maximum": 105}, {"type": "boolean"}]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}},
        {"type": "string", "format": "date-time"}, {"allOf": [{"type": "string"}, {"minLength": 2}]},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": False}]
    regexes = ["a+", "(ab|c)*d?", "[^a-f0-9]{2,3}", "\\d+\\.\\w*\\s?", "(?:x|y){3}", "é|日本", "^a.b$", "[\\u0041-\\x5a]"]
    texts = ['root ::= "a" item* [^"\\n]\nitem ::= ("b" | [c-e]+)? # all', 'root ::= x{2,4}\nx ::= "\\x41" | root2\nroot2 ::= .']
    keep("grammar", [b"\0" + json.dumps(each).encode() for each in schemas] + [b"\1" + each.encode() for each in regexes]
         + [b"\2" + each.encode() for each in texts] + [b"\3" + json.dumps(["yes", "no", "yesterday"]).encode()])


def tokenizers():
    words = "Hello, hello world's 1234  x\n\t<|im_start|>é世界🎉don't CamelCase ＡＢ <s> <mark> ##a"
    keep("tokenizer", [bytes([kind]) + words.encode() for kind in range(9)])
    keep("answer", [
        b"\0ab\0b c\0text with ab and b c", b"\2END\0all of it END more",
        b"\1Let me see.<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"K\"}}\n</tool_call>",
        b"\3{\"name\": \"a\", \"arguments\": {}}</tool_call>",
        b"\5<|python_tag|>{\"name\": \"a\", \"parameters\": {\"x\": [1, \"}\"]}}; {\"name\": \"b\", \"parameters\": {}}",
        b"\x09[TOOL_CALLS] [{\"name\": \"a\", \"arguments\": {\"x\": 1}}, {\"name\": \"b\", \"arguments\": {}}]",
        b"\x09[TOOL_CALLS]a[ARGS]{\"x\": 1}"])


if __name__ == "__main__":
    for make in (model_files, safetensors, http1, http2, link, grpc, requests, templates, grammars, tokenizers):
        make()
