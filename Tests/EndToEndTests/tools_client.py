"""Tools as users of the openai package have them, against a cluster whose template has a place for them:
python3 tools_client.py BASE_URL"""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
model = client.models.list().data[0].id
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
weather = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
clock = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def ask(**fields):
    return client.chat.completions.create(
        model=model, messages=messages, tools=[clock, weather], max_tokens=80, seed=3, **fields
    )


def check(call):
    assert call.type == "function" and call.id.startswith("call_"), call
    arguments = json.loads(call.function.arguments)
    if call.function.name == "weather":
        assert set(arguments) == {"city", "unit"} and arguments["unit"] in ("C", "F"), arguments
    else:
        assert (call.function.name, arguments) == ("clock", {}), call
    return arguments


forced = {"type": "function", "function": {"name": "weather"}}
for choice, temperature in [("required", 0), ("required", 1), (forced, 0), (forced, 1)]:
    answer = ask(tool_choice=choice, temperature=temperature).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.content is None, answer
    (call,) = answer.message.tool_calls
    check(call)
    assert choice == "required" or call.function.name == "weather"

    # The stream has the same call, in pieces: first the name, then the arguments.
    name, text, finish = None, "", None
    for chunk in ask(tool_choice=choice, temperature=temperature, stream=True):
        finish = chunk.choices[0].finish_reason or finish
        for piece in chunk.choices[0].delta.tool_calls or []:
            assert piece.index == 0 and (piece.id is None) == (name is not None)
            name = name or piece.function.name
            text += piece.function.arguments or ""
    assert (name, text, finish) == (call.function.name, call.function.arguments, "tool_calls"), (name, text, finish)

# The answer of the tool goes back, and the model may speak again.
messages += [
    {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
    {"role": "tool", "tool_call_id": call.id, "content": "18 degrees and sunny"},
]
spoken = ask(tool_choice="none").choices[0]
assert spoken.message.content and not spoken.message.tool_calls
assert ask(tool_choice="auto").choices[0].finish_reason in ("stop", "length", "tool_calls")

try:
    ask(tool_choice={"type": "function", "function": {"name": "train"}})
    raise AssertionError("a function that is not there was accepted")
except openai.BadRequestError as error:
    assert error.body["param"] == "tool_choice.function.name", error.body
print("ok")
