"""The same model through the packages of three dialects, against a cluster whose template has a place for tools:
python3 dialects_client.py http://HOST:PORT"""

import json
import sys

import anthropic
import ollama
import openai

url = sys.argv[1]
chat = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
claude = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
llama = ollama.Client(host=url)
model = chat.models.list().data[0].id
system, user, seed, limit = "You are brief.", "Name three birds.", 5, 24
sampling = {"temperature": 0.8, "top_p": 0.95}
messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
schema = {
    "type": "object",
    "properties": {"bird": {"type": "string", "maxLength": 12}, "legs": {"type": "integer"}},
    "required": ["bird", "legs"],
    "additionalProperties": False,
}

expected = chat.chat.completions.create(model=model, messages=messages, max_tokens=limit, seed=seed, **sampling)
text, usage = expected.choices[0].message.content, expected.usage
assert text

# OpenAI's responses: whole, streamed, and by a list of items.
asked = dict(model=model, instructions=system, input=user, max_output_tokens=limit, extra_body={"seed": seed}, **sampling)
whole = chat.responses.create(**asked)
assert whole.output_text == text, (whole.output_text, text)
assert whole.status == ("incomplete" if expected.choices[0].finish_reason == "length" else "completed")
assert (whole.usage.input_tokens, whole.usage.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)
streamed, kinds = "", []
for event in chat.responses.create(**asked, stream=True):
    kinds.append(event.type)
    if event.type == "response.output_text.delta":
        streamed += event.delta
assert streamed == text and kinds[0] == "response.created", kinds
assert event.response.output_text == text and event.response.usage.output_tokens == usage.completion_tokens
with chat.responses.stream(**asked) as stream:
    assert stream.get_final_response().output_text == text
items = [{"role": "developer", "content": system}, {"role": "user", "content": [{"type": "input_text", "text": user}]}]
assert chat.responses.create(**{**asked, "instructions": None, "input": items}).output_text == text
formed = chat.responses.create(
    model=model, input=user, max_output_tokens=80, text={"format": {"type": "json_schema", "name": "a", "schema": schema}}
)
assert set(json.loads(formed.output_text)) == {"bird", "legs"}
for refused in [{"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]}]:
    try:
        chat.responses.create(model=model, input=user, **refused)
        raise SystemExit(f"{refused} was accepted")
    except openai.BadRequestError as error:
        assert error.param.split("[")[0] in refused, error
try:
    chat.responses.retrieve(whole.id)
    raise SystemExit("a response was stored")
except openai.NotFoundError as error:
    assert error.code == "response_not_found", error

# Anthropic's messages.
asked = dict(
    model=model, system=system, messages=messages[1:], max_tokens=limit, extra_body={"seed": seed, **sampling}
)
said = claude.messages.create(**asked)
assert "".join(block.text for block in said.content) == text, said
assert said.stop_reason == ("max_tokens" if expected.choices[0].finish_reason == "length" else "end_turn")
assert said.usage.input_tokens + said.usage.cache_read_input_tokens == usage.prompt_tokens, said.usage
with claude.messages.stream(**asked) as stream:
    assert "".join(stream.text_stream) == text
    final = stream.get_final_message()
assert final.stop_reason == said.stop_reason and final.usage.output_tokens == usage.completion_tokens, final
assert claude.messages.count_tokens(model=model, system=system, messages=messages[1:]).input_tokens == usage.prompt_tokens
stopped = claude.messages.create(**asked, stop_sequences=[text[3:8]])
assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", text[3:8]), stopped
try:
    claude.messages.create(**{**asked, "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]})
    raise SystemExit("an image was accepted")
except anthropic.BadRequestError as error:
    assert error.body["error"]["type"] == "invalid_request_error" and "messages[0].content[0].type" in str(error)
try:
    claude.messages.create(**{**asked, "model": "nobody"})
    raise SystemExit("an unknown model was accepted")
except anthropic.NotFoundError as error:
    assert error.body["error"]["type"] == "not_found_error", error.body

# Ollama's chats and prompts.
options = {"seed": seed, "num_predict": limit, **sampling}
told = llama.chat(model=model, messages=messages, options=options)
assert told.message.content == text and told.done_reason == expected.choices[0].finish_reason, told
assert (told.prompt_eval_count, told.eval_count) == (usage.prompt_tokens, usage.completion_tokens), told
assert 0 < told.prompt_eval_duration < told.total_duration, told
lines = list(llama.chat(model=model, messages=messages, options=options, stream=True))
assert "".join(line.message.content for line in lines) == text and len(lines) > 2 and lines[-1].done
assert llama.generate(model=model, system=system, prompt=user, options=options).response == text
raw = chat.completions.create(model=model, prompt=user, max_tokens=limit, seed=seed, **sampling).choices[0].text
pieces = llama.generate(model=model + ":latest", prompt=user, raw=True, options=options, stream=True)
assert "".join(piece.response for piece in pieces) == raw
shaped = llama.generate(model=model, prompt=user, format=schema, options={"num_predict": 80}).response
assert set(json.loads(shaped)) == {"bird", "legs"}
assert [each.model for each in llama.list().models] == [model] == [each.model for each in llama.ps().models]
assert llama.show(model).modelinfo["general.context_length"] > 1000
try:
    llama.pull("llama3")
    raise SystemExit("a model was pulled")
except ollama.ResponseError as error:
    assert error.status_code == 501 and "workers" in error.error, error

# One call of a tool in each, held to its schema, and the same whole and streamed.
function = {"name": "note", "description": "Notes a bird.", "parameters": schema}
call = chat.responses.create(
    model=model, input=user, tools=[{"type": "function", **function}], tool_choice="required", temperature=0
).output[0]
assert call.type == "function_call" and set(json.loads(call.arguments)) == {"bird", "legs"}, call
with chat.responses.stream(
    model=model, input=user, tools=[{"type": "function", **function}], tool_choice="required", temperature=0
) as stream:
    assert stream.get_final_response().output[0].arguments == call.arguments
tool = {"name": "note", "description": "Notes a bird.", "input_schema": schema}
asked = dict(
    model=model, max_tokens=80, messages=[{"role": "user", "content": user}], tools=[tool],
    tool_choice={"type": "tool", "name": "note"}, extra_body={"temperature": 0},
)
used = claude.messages.create(**asked)
assert used.stop_reason == "tool_use" and used.content[0].input == json.loads(call.arguments), used
with claude.messages.stream(**asked) as stream:
    assert stream.get_final_message().content[0].input == used.content[0].input
turns = [
    {"role": "user", "content": user},
    {"role": "assistant", "content": [block.model_dump(include={"type", "id", "name", "input"}) for block in used.content]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used.content[0].id, "content": "noted"}]},
]
after = claude.messages.create(
    model=model, max_tokens=16, messages=turns, tools=[tool], extra_body={"temperature": 0, "seed": 1}
)
items = [
    {"role": "user", "content": user},
    {"type": "function_call", "call_id": "c", "name": "note", "arguments": call.arguments},
    {"type": "function_call_output", "call_id": "c", "output": "noted"},
]
again = chat.responses.create(
    model=model, max_output_tokens=16, input=items, tools=[{"type": "function", **function}], temperature=0
)
assert "".join(block.text for block in after.content if block.type == "text") == again.output_text
spoken = llama.chat(
    model=model,
    messages=[
        {"role": "user", "content": user},
        {"role": "assistant", "tool_calls": [{"function": {"name": "note", "arguments": used.content[0].input}}]},
        {"role": "tool", "tool_name": "note", "content": "noted"},
    ],
    tools=[{"type": "function", "function": function}],
    options={"temperature": 0, "num_predict": 16},
)
assert spoken.message.content == again.output_text, (spoken, again.output_text)
print("ok")

# Each dialect lists the model in its own shape.
assert [item.id for item in claude.models.list()] == [model]
info = claude.models.retrieve(model)
assert info.type == "model" and info.display_name == model and info.created_at.year >= 2020, info
try:
    claude.models.retrieve("nobody")
    raise SystemExit("an unknown model was shown")
except anthropic.NotFoundError as error:
    assert error.body["error"]["type"] == "not_found_error", error.body
