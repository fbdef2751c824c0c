"""Libraries that people put between their programs and OpenAI, unchanged: langchain-openai and litellm, against a cluster whose
template has a place for tools: python3 ecosystem_client.py BASE_URL"""

import os
import sys

# LiteLLM would fetch a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import openai
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, Field

url = sys.argv[1]
plain = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
model = plain.models.list().data[0].id
system, user = "You are brief.", "Name three birds."
messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
wish = dict(max_tokens=24, seed=5, temperature=0.8)
expected = plain.chat.completions.create(model=model, messages=messages, **wish).choices[0]
text = expected.message.content
assert text

# LangChain: whole, streamed, in a batch.
chat = ChatOpenAI(model=model, base_url=url, api_key="none", max_retries=0, stream_usage=True, **wish)
asked = [SystemMessage(system), HumanMessage(user)]
answer = chat.invoke(asked)
assert answer.content == text, (answer.content, text)
assert answer.response_metadata["finish_reason"] == expected.finish_reason
assert answer.usage_metadata["output_tokens"] > 0
whole = AIMessageChunk(content="")
for chunk in chat.stream(asked):
    whole += chunk
assert whole.content == text and whole.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]
assert [message.content for message in chat.batch([asked, asked])] == [text, text]
completion = OpenAI(model=model, base_url=url, api_key="none", max_retries=0, **wish)
assert completion.invoke("Once") == plain.completions.create(model=model, prompt="Once", **wish).choices[0].text


class Bird(BaseModel):
    name: str = Field(max_length=12)
    legs: int = Field(ge=0, le=9)


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return "sunny"


longer = ChatOpenAI(model=model, base_url=url, api_key="none", max_retries=0, max_tokens=120, seed=5, temperature=0)
bird = longer.with_structured_output(Bird, method="json_schema").invoke(user)
assert isinstance(bird, Bird) and 0 <= bird.legs <= 9, bird
called = longer.bind_tools([weather], tool_choice="weather").invoke(user)
(call,) = called.tool_calls
assert call["name"] == "weather" and set(call["args"]) == {"city"}, call
spoken = longer.bind_tools([weather], tool_choice="none").invoke(
    [HumanMessage(user), called, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
)
assert spoken.content and not spoken.tool_calls

# LiteLLM: the same, and errors as the classes that its users catch.
asked = dict(model="openai/" + model, api_base=url, api_key="none", max_retries=0, num_retries=0)
answer = litellm.completion(messages=messages, **asked, **wish)
assert answer.choices[0].message.content == text and answer.usage.completion_tokens > 0
streamed = ""
for chunk in litellm.completion(messages=messages, stream=True, **asked, **wish):
    streamed += chunk.choices[0].delta.content or ""
assert streamed == text, streamed
assert litellm.text_completion(prompt="Once", **asked, **wish).choices[0].text == completion.invoke("Once")
formed = litellm.completion(messages=messages, response_format=Bird, max_tokens=120, **asked)
assert Bird.model_validate_json(formed.choices[0].message.content)
for fields, kind in [
    ({"messages": messages, "max_tokens": 10**6}, litellm.exceptions.BadRequestError),
    ({"messages": messages, "model": "openai/nobody"}, litellm.exceptions.NotFoundError),
]:
    try:
        litellm.completion(**{**asked, **fields})
        raise SystemExit(f"{fields} was accepted")
    except kind:
        pass
print("ok")
