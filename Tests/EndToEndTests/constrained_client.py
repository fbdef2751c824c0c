"""Constrained answers as users of the openai package ask for them: python3 constrained_client.py BASE_URL"""

import datetime
import enum
import json
import re
import sys

import jsonschema
import openai
import pydantic

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
model = client.models.list().data[0].id


def ask(question, seed=1, temperature=1, **more):
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], seed=seed, temperature=temperature,
        max_tokens=400, **more
    ).choices[0]


def checked(choice, check):
    """What ends must hold; what is cut says so."""
    assert choice.finish_reason in ("stop", "length"), choice
    if choice.finish_reason == "stop":
        check(choice.message.content)
    return choice.finish_reason == "stop"


ended = 0
person = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
        "height": {"type": ["number", "null"], "minimum": 0, "maximum": 2.5},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
wrapped = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": person}}
for seed in range(4):
    ended += checked(
        ask("Describe a person as JSON.", seed, temperature=seed / 2, response_format=wrapped),
        lambda text: jsonschema.validate(json.loads(text), person),
    )
ended += checked(
    ask("Give me any JSON object.", response_format={"type": "json_object"}),
    lambda text: jsonschema.validate(json.loads(text), {"type": "object"}),
)
for more in ({"guided_regex": "[A-Z][a-z]{2,8} [0-9]{3}"}, {"structured_outputs": {"regex": "[A-Z][a-z]{2,8} [0-9]{3}"}}):
    choice = ask("Say a word and a number.", extra_body=more)
    assert choice.finish_reason == "stop" and re.fullmatch("[A-Z][a-z]{2,8} [0-9]{3}", choice.message.content), choice
choice = ask("Is water wet?", extra_body={"guided_choice": ["certainly", "not at all"]}, logprobs=True, top_logprobs=2)
assert choice.finish_reason == "stop" and choice.message.content in ("certainly", "not at all"), choice
assert "".join(token.token for token in choice.logprobs.content).startswith(choice.message.content)
choice = ask("Add.", extra_body={"guided_grammar": 'root ::= n ("+" n){1,4} "="\nn ::= [1-9] [0-9]?'})
assert choice.finish_reason == "stop" and re.fullmatch(r"([1-9]\d?\+){1,4}[1-9]\d?=", choice.message.content), choice
completion = client.completions.create(
    model=model, prompt="A date:", max_tokens=40, seed=2, extra_body={"guided_json": json.dumps({"format": "date"})}
).choices[0]
assert completion.finish_reason == "stop" and re.fullmatch(r'"\d{4}-\d\d-\d\d"', completion.text), completion


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(pydantic.BaseModel):
    label: str = pydantic.Field(max_length=12)
    color: Color | None


class Tree(pydantic.BaseModel):
    weight: float = pydantic.Field(ge=0, le=1)
    born: datetime.date
    leaves: list[Leaf] = pydantic.Field(max_length=2)


parsed = client.beta.chat.completions.parse(
    model=model, messages=[{"role": "user", "content": "A small tree."}], response_format=Tree, seed=3,
    temperature=0.7, max_tokens=900,
).choices[0]
assert isinstance(parsed.message.parsed, Tree), parsed

text = ""
for chunk in client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": "Describe a person as JSON."}], response_format=wrapped,
    seed=0, temperature=0, max_tokens=400, stream=True,
):
    text += chunk.choices[0].delta.content or ""
assert text == ask("Describe a person as JSON.", 0, 0, response_format=wrapped).message.content, text

cut = ask("Any JSON.", response_format=wrapped, extra_body={"max_completion_tokens": 3})
assert cut.finish_reason == "length", cut

for more, place in (
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}}, "#/not"),
    ({"extra_body": {"guided_regex": "(a"}}, "not closed"),
):
    try:
        ask("Hi", **more)
        raise SystemExit(f"{more} was accepted")
    except openai.BadRequestError as error:
        assert place in error.message, error

assert ended >= 3, ended
print(f"{ended} of 5 ended")
