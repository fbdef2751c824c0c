"""What users of the openai package do with embeddings: python3 embedding_client.py BASE_URL REFERENCE.json"""

import base64
import json
import struct
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
model = client.models.list().data[0].id
entries = [entry for entry in json.load(open(sys.argv[2])) if "vector" in entry]
texts = [entry["text"] for entry in entries]


def cosine(a, b):
    length = sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / length


# The package asks for base64 unless told.
batch = client.embeddings.create(model=model, input=texts)
assert batch.model == model and [item.index for item in batch.data] == list(range(len(texts)))
tokens = sum(len(entry["ids"]) for entry in entries)
assert batch.usage.prompt_tokens == batch.usage.total_tokens == tokens, (batch.usage, tokens)
for entry, item in zip(entries, batch.data):
    reference = struct.unpack("<384f", base64.b64decode(entry["vector"]))
    assert cosine(item.embedding, reference) > 0.99999, entry["text"]

# Alone, as numbers and as tokens, a text has the very same vector.
for entry, item in list(zip(entries, batch.data))[::4]:
    alone = client.embeddings.create(model=model, input=entry["text"], encoding_format="float").data[0].embedding
    given = client.embeddings.create(model=model, input=[entry["ids"]]).data[0].embedding
    as_bytes = [struct.pack("<384f", *vector) for vector in (item.embedding, alone, given)]
    assert as_bytes[0] == as_bytes[1] == as_bytes[2], entry["text"]

try:
    client.embeddings.create(model=model, input=["short", "word " * 300])
    raise SystemExit("a text too long was accepted")
except openai.BadRequestError as error:
    assert error.param == "input[1]" and error.code == "context_length_exceeded", error
try:
    client.embeddings.create(model=model, input="a", dimensions=64)
    raise SystemExit("dimensions were accepted")
except openai.BadRequestError as error:
    assert error.param == "dimensions", error
try:
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    raise SystemExit("a chat with an embedding model was accepted")
except openai.BadRequestError as error:
    assert error.param == "model" and error.code == "model_does_not_generate", error
print(len(texts), "texts")
