"""Vectors through the packages of Ollama and OpenAI: python3 ollama_embedding_client.py http://HOST:PORT"""

import sys

import ollama
import openai

url = sys.argv[1]
llama = ollama.Client(host=url)
texts = ["A swift sleeps in the air.", "Interest rates rose again."]
expected = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0).embeddings.create(
    model="minilm", input=texts, encoding_format="float"
)
expected = [item.embedding for item in expected.data]

answer = llama.embed(model="minilm", input=texts)
assert [list(vector) for vector in answer.embeddings] == expected
assert answer.model == "minilm" and answer.prompt_eval_count > 8
assert [list(vector) for vector in llama.embed(model="minilm:latest", input=texts[1]).embeddings] == expected[1:]
assert list(llama.embeddings(model="minilm", prompt=texts[0]).embedding) == expected[0]
assert llama.show("minilm").capabilities == ["embedding"]
for wrong in [{"input": []}, {"input": texts[0], "dimensions": 8}]:
    try:
        llama.embed(model="minilm", **wrong)
        raise SystemExit(f"{wrong} was accepted")
    except ollama.ResponseError as error:
        assert error.status_code == 400, error
