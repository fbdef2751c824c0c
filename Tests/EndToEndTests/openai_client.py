"""What users of the openai package do, against a running cluster: python3 openai_client.py BASE_URL"""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
messages = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Name three birds."}]

model = client.models.list().data[0].id
assert client.models.retrieve(model).id == model

whole = client.chat.completions.create(model=model, messages=messages, max_tokens=24, seed=5)
assert whole.choices[0].message.content
assert whole.choices[0].finish_reason in ("stop", "length")
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens

text, usage = "", None
for chunk in client.chat.completions.create(
    model=model, messages=messages, max_tokens=24, seed=5, stream=True, stream_options={"include_usage": True}
):
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
    else:
        usage = chunk.usage
assert text == whole.choices[0].message.content, (text, whole.choices[0].message.content)
assert usage.completion_tokens == whole.usage.completion_tokens

logged = client.chat.completions.create(
    model=model, messages=messages, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
)
for token in logged.choices[0].logprobs.content:
    assert token.logprob <= 0 and len(token.top_logprobs) == 3
    assert bytes(token.bytes).decode("utf-8", "replace")

completion = client.completions.create(model=model, prompt="The swift is a bird that", max_tokens=8, echo=True)
assert completion.choices[0].text.startswith("The swift is a bird that")
by_tokens = client.completions.create(model=model, prompt=[[504, 808], [1, 2]], max_tokens=3, n=2, seed=1)
assert [choice.index for choice in by_tokens.choices] == [0, 1, 2, 3]

try:
    client.chat.completions.create(model=model, messages=messages, temperature=9)
    raise SystemExit("temperature 9 was accepted")
except openai.BadRequestError as error:
    assert error.param == "temperature", error
try:
    client.chat.completions.create(model="nobody", messages=messages)
    raise SystemExit("an unknown model was accepted")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error

print(text)
