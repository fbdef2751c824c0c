"""Makes templates.json: chat templates and snippets with what Python's jinja2 renders from them.

The environment has the settings that Hugging Face's chat templates are written for: trim_blocks, lstrip_blocks, loop
controls, `tojson` without HTML escapes, raise_exception, strftime_now. The templates follow the published ones of the
named model families in structure; they are written for this test.

Usage: python3 make_templates.py > templates.json        (jinja2 3.1)
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox


class Refused(Exception):
    pass


class Generation(jinja2.ext.Extension):
    """{% generation %} marks the assistant's part and prints it."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment(now):
    def refuse(message):
        raise Refused(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = refuse
    if now:
        env.globals["strftime_now"] = lambda form: datetime.datetime(*now).strftime(form)
    return env


def render(template, variables, now=None):
    try:
        return {"expected": environment(now).from_string(template).render(**variables)}
    except Refused as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"error": type(error).__name__}


CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

SMOLLM2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

LLAMA2 = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

LLAMA3 = """{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

LLAMA31 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system message, which the header needs apart. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\\n\\n"}}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{#- Functions in the first user message. #}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- "Given the following functions, answer with a JSON call.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL1 = """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"""

MISTRAL3 = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- Users and assistants take turns, tool calls aside. #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
            {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""

QWEN25 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nFor each function call, return a json object within <tool_call></tool_call> tags:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"""

PHI3 = """{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

MACROS = """{%- macro content_of(message, prefix='') -%}
    {%- if message.content is string -%}
        {{ prefix ~ message.content }}
    {%- else -%}
        {%- for part in message.content if part.type == 'text' -%}
            {{ prefix ~ part.text }}{% if not loop.last %}, {% endif %}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- macro turn(role) -%}<{{ role }}>{{ caller() }}</{{ role }}>
{% endmacro -%}
{%- for message in messages %}
{% call turn(message.role) %}{{ content_of(message, prefix='> ') }}{% endcall %}
{%- endfor %}
{%- if add_generation_prompt %}{% generation %}<assistant>{% endgeneration %}{% endif %}"""

TEMPLATES = {
    "chatml": (CHATML, "<s>", "<|im_end|>"),
    "smollm2": (SMOLLM2, "<|im_start|>", "<|im_end|>"),
    "llama-2": (LLAMA2, "<s>", "</s>"),
    "llama-3": (LLAMA3, "<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.1": (LLAMA31, "<|begin_of_text|>", "<|eot_id|>"),
    "mistral-v1": (MISTRAL1, "<s>", "</s>"),
    "mistral-v3": (MISTRAL3, "<s>", "</s>"),
    "qwen-2.5": (QWEN25, "", "<|im_end|>"),
    "gemma": (GEMMA, "<bos>", "<eos>"),
    "phi-3": (PHI3, "<s>", "<|endoftext|>"),
    "zephyr": (ZEPHYR, "<s>", "</s>"),
    "macros": (MACROS, "<s>", "</s>"),
}


def message(role, content, **more):
    return {"role": role, "content": content, **more}


ODD = "  \n Grüße 🌍 {{ 7*7 }} {% if %} <|im_end|> 'quoted' \"twice\" \\n \t "
CHATS = {
    "one": [message("user", "Hello! Who are you?")],
    "system": [message("system", "Answer briefly. "), message("user", "What is 2 + 2?")],
    "turns": [
        message("user", "One"), message("assistant", " Two \n"), message("user", ODD), message("assistant", ""),
        message("user", "Five"),
    ],
    "system and turns": [
        message("system", "Be kind.\n"), message("user", " Hi "), message("assistant", "Hello."),
        message("user", "Bye\n\n"),
    ],
    "out of turn": [message("user", "a"), message("user", "b")],
    "ends with assistant": [message("user", "a"), message("assistant", "b")],
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather \"there\" – now",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Город"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city"],
        },
    },
}
CALL = {"id": "abc123def", "type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2}}}
TOOL_CHAT = [
    message("user", "Weather in Köln?"), message("assistant", "", tool_calls=[CALL]),
    message("tool", "{\"sky\": \"grey\"}", tool_call_id="abc123def"), message("assistant", "Grey."),
    message("user", "And tomorrow?"),
]


def chats():
    for name, (template, bos, eos) in TEMPLATES.items():
        for chat, messages in CHATS.items():
            for prompts in (True, False):
                yield name, chat, template, bos, eos, messages, prompts, {}, None
        if name in ("qwen-2.5", "mistral-v3", "llama-3.1"):
            tools = {"tools": [TOOL, {"type": "function", "function": {"name": "now", "parameters": {}}}]}
            yield name, "turns", template, bos, eos, CHATS["turns"], True, tools, None
            yield name, "tool calls", template, bos, eos, TOOL_CHAT, True, tools, None
        if name == "llama-3.1":
            yield name, "one", template, bos, eos, CHATS["one"], True, {}, [2026, 3, 1, 9, 5, 7]
            more = {"builtin_tools": ["search", "code_interpreter", "math"], "date_string": "1 Jan 2025"}
            yield name, "system", template, bos, eos, CHATS["system"], True, more, None


CONTEXT = {
    "s": "Hello World", "t": "  spaced\tout \n", "u": "grüße ÉCOLE ǆ ß 日本語", "e": "", "n": 7, "m": -7, "z": 0, "f": 2.5,
    "g": -0.125, "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "w": ["b", "A", "c", "a", "B"],
    "d": {"b": 1, "a": 2, "C": 3}, "o": {"x": {"y": [10, {"z": "deep"}]}, "items": "own"}, "q": "it's \"q\"\n\\ \x07é\u200b",
    "r": [{"k": "a", "v": 1, "in": {"p": 5}}, {"k": "b", "v": 0, "in": {"p": 6}}, {"k": "a", "v": 3, "in": {"p": 4}}],
}

EXPRESSIONS = r"""
s
n + 3
n - 10
n * m
n / 2
n // 2
m // 2
n // -2
m % 3
n % -3
f + 1
f * 2
f // 1
m % 2.5
2 ** 10
-n ** 2
-(n)
+n
1 + 2 * 3 - 4
(1 + 2) * 3
10 - 2 - 3
2 ** 3 ** 2
1 ~ 2 ~ 'x'
1 + 1 ~ 2 + 2
'a' ~ nil ~ yes ~ f
'a' 'b' "c"
'a' + 'b'
'ab' * 3
3 * 'ab'
[1, 2] * 2
[1] + [2, 3]
(1, 2) + (3,)
'a' + 1
nil + 1
1 / 0
1 // 0
1 % 0
9223372036854775807 - 1
1_000
1.5e3
2e2
.5
0.1 + 0.2
1e16
1e-5
100000.0
1 == 1.0
yes == 1
'1' == 1
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
'a' < 'b'
'é' > 'z'
'a' < 1
[1, 2] < [1, 3]
1 in l
9 in l
'World' in s
'' in s
'x' not in s
'a' in d
1 in d
not 1 in l
not yes
not not e
yes and 'x'
no and 'x'
e or 'y'
'x' or 'y'
nil or 0 or [] or 'end'
yes and no or yes
not no and yes
'a' if yes else 'b'
'a' if no else 'b'
'a' if no
1 if yes else 2 if no else 3
('a' if yes) ~ 'z'
s[0]
s[-1]
s[99]
u[0]
u[-1]
s[1:4]
s[:3]
s[3:]
s[-3:]
s[:-3]
s[::2]
s[::-1]
s[5:2]
s[-100:100]
u[2:8]
u[::-1]
l[0]
l[-1]
l[7]
l[1:]
l[::-1]
l[5:]
(1, 2, 3)[1:]
d['b']
d.b
d.nope
d['nope']
d[0]
o.x.y[1].z
o['x']['y'][0]
o.x.y.0
o['items']
o.items() | list
nope
nope.x
nope['x']
nope + 1
nope ~ 'x'
nope == nope
nope | length
nope | list
nope | default('d')
nope | default
e | default('d')
e | default('d', true)
nil | default('d')
nil | default('d', boolean=true)
nope.x | default('d')
d.nope.x
d.nope | default('d')
d.nope is defined
d.b is defined
nope is defined
nope is undefined
nope is not defined
nil is none
nope is none
s is string
n is string
n is number
yes is number
f is float
n is integer
yes is integer
yes is boolean
n is boolean
yes is true
no is false
1 is true
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
n is sequence
nope is sequence
l is iterable
s is iterable
n is iterable
nope is iterable
nil is iterable
4 is even
4 is odd
n is odd
9 is divisibleby 3
9 is divisibleby(2)
n is equalto 7
n is eq(7)
n is ne 7
n is lt 8
n is gt 8
n is le 7
n is ge 8
1 is in l
1 is not in l
'abc' is lower
'ABC' is upper
'aBC' is upper
nil is sameas none
range is callable
s is callable
not n is odd
n is odd and s is string
s is string or nope.x
t | trim
'xxaxx' | trim('x')
s | upper
u | upper
u | lower
u | title
"they're here-now (ok) <b>x" | title
"they're here-now (ok) <b>x".title()
u | capitalize
'hELLO wORLD' | capitalize
s | length
u | length
l | length
d | length
n | length
l | first
l | last
[] | first
s | first
l | join
l | join(', ')
w | join('-')
['a', 1, nil, yes] | join('|')
r | join(',', attribute='k')
s | list
d | list
l | list
n | string
nil | string
f | string
[1, 'a', nil, yes, 2.0] | string
d | string
q
[q]
[s, "it's"]
['a\tb']
[e]
(1, 2)
(1,)
()
[]
{}
[[1], {'a': (2,)}]
'12' | int
' 12 ' | int
'12.7' | int
'x' | int
'x' | int(5)
f | int
g | int
nil | int
yes | int
'1e3' | int
'3.5' | float
'x' | float
n | float
'x' | float(1.5)
s | replace('l', 'L')
s | replace('l', 'L', 2)
s | replace('World', '')
n | replace('7', 'x')
s.replace('o', '0')
s.replace('o', '0', 1)
s.replace('zz', 'y')
d | tojson
o | tojson
r | tojson(indent=2)
[] | tojson(indent=2)
{} | tojson(indent=2)
[[], {}, [[]]] | tojson(indent=1)
q | tojson
u | tojson
nil | tojson
[1.0, 2.5, 1e20, yes, nil] | tojson
'</script>&' | tojson
{1: 'a'} | tojson
d | items | list
d | dictsort
d | dictsort(true)
d | dictsort(by='value')
d | dictsort(reverse=true)
r | selectattr('v') | list
r | selectattr('k', 'equalto', 'a') | map(attribute='v') | list
r | rejectattr('k', 'equalto', 'a') | list | length
r | selectattr('in.p', 'gt', 4) | map(attribute='in.p') | join(',')
r | selectattr('nope') | list
r | selectattr('nope', 'undefined') | list | length
r | map(attribute='in.p') | sum
r | map(attribute='nope', default='-') | join
l | select('odd') | list
l | reject('odd') | list
l | select | list
[0, 1, '', 'a'] | select | list
w | map('upper') | list
w | map('replace', 'a', 'x') | list
l | map('string') | join
w | unique | list
[1, 2, 1, 3, 2] | unique | list
l | reverse | list
s | reverse
l | sort
l | sort(reverse=true)
w | sort
w | sort(case_sensitive=true)
r | sort(attribute='v') | map(attribute='v') | list
r | sort(attribute='k') | map(attribute='v') | list
l | min
l | max
w | min
w | max
l | sum
'<a href="x">&\'' | safe
'<a href="x">&\'' | escape
'<a>' | e
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2)
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, blank=true)
'a\nb' | indent('> ')
f | round
3.5 | round
2.567 | round(2)
2.567 | round(1, 'floor')
2.501 | round(1, 'ceil')
n | round
m | abs
g | abs
n | abs
s | upper | lower | length
-m | abs
s | nosuchfilter
s is nosuchtest
t.strip()
t.lstrip()
t.rstrip()
'xxaxyx'.strip('xy')
'xxax'.lstrip('x')
'xxax'.rstrip('x')
s.split()
t.split()
s.split('o')
s.split('o', 1)
s.split('o')[-1]
'a,b,,c'.split(',')
'a\nb\n'.splitlines()
'\n\r\na\r\n\rb\r\r\nc'.splitlines()
''.splitlines()
'\n'.splitlines()
e.split()
e.split(',')
s.startswith('Hell')
s.startswith('x')
s.startswith(('x', 'H'))
s.endswith('ld')
s.endswith('x')
s.upper()
s.lower()
'hELLO'.capitalize()
', '.join(w)
'-'.join('abc')
s.find('o')
s.find('zz')
u.find('É')
s.count('l')
'x1'.isalpha()
'12'.isdigit()
'a1'.isalnum()
' \n'.isspace()
'AB'.isupper()
'ab'.islower()
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
d.items() | list
d.keys() | list
d.values() | list
d.get('a')
d.get('zz')
d.get('zz', 5)
d.get('zz') is none
l.index(1)
l.count(1)
w.count('a')
range(3) | list
range(1, 4) | list
range(10, 0, -3) | list
range(0) | list
range(3) | join(',')
dict(a=1)
dict({'a': 1}, b=2)
dict(h=1, g=2, f=3, e=4, d=5, c=6, b=7, a=8)
dict({'z': 0}, y=1, x=2, w=3, v=4, u=5)
namespace(a=1).a
s.nosuchmethod()
s()
nope()
1 +
(1
[1, 2
{'a' 1}
s |
s is
'unclosed
1 2
a.b.
[1, 2,]
{'a': 1,}
"\x41\u00e9\n\t\\\'\"\q"
'\101'
true ~ True ~ false ~ none ~ None
loop
{'a': {'b': 1}}
{{'a': 1}: 2}
s | trim | length > 3
(s | length) + 1
s | length + 1
n if n > 5 else z
l | length == 3 and d | length == 3
"%s" | upper
[1, 2, 3][1]
{'a': 5}['a']
'abc'[1]
(l | sort)[0]
s.split(' ')[0].lower()
s.split(' ') | map('length') | list
l | map('float') | list
""".strip("\n").split("\n")

SNIPPETS = [
    "a\n{% if yes %}\nb\n{% endif %}\nc\n",
    "a\n  {% if yes %}  \n  b\n  {% endif %}\nc\n\n",
    "  {{ n }}\n  {{- n }}\n  {{ n -}}\n  x",
    "a {%- if yes -%} b {%- endif -%} c",
    "a {%+ if yes +%}\n b {%+ endif %}\nc",
    "  {%+ if yes %}x{% endif %}",
    "a\n  {# comment #}\nb {# two\nlines #} c {#- x -#} d",
    "{# {{ n }} #}{{ '{# no comment #}' }}{{ '{{' }}{{ '%}' }}",
    "{% raw %}{{ n }} {% if %}{% endraw %}|{%- raw -%}  {{ x }}  {%- endraw -%}  |\n{% raw %}\nx\n{% endraw %}\ny",
    "\r\na\rb\r\nc{% if yes %}\r\nd{% endif %}\n",
    "x\n\n",
    "{{ {'a': {'b': {}}} }}{{ {'a': 1}['a'] }}",
    "{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{{ ns.x is defined }}{% set ns.x = [1] %}{{ ns.x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = (3, 4) %}{{ c }}{{ d }}",
    "{% set a, b = [1, 2, 3] %}",
    "{% set x = 1, 2 %}{{ x }}{{ 1, 2 }}",
    "{% set x %}a{{ n }}\n b{% endset %}[{{ x }}]",
    "{% set x | upper | trim %} a{{ n }} {% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% if no %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% if no %}a{% elif nope %}b{% elif yes %}c{% else %}d{% endif %}",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for i in [] %}x{% else %}none{% endfor %}{% for i in nope %}x{% else %}none{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}",
    "{% for i in l if i > 9 %}x{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}{% for c in 'añ' %}[{{ c }}]{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for i in n %}{% endfor %}",
    "{% for i in nil %}{% endfor %}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ loop.depth }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in 1, 2, 3 %}{{ i }}{% endfor %}",
    "{% for i in l %}{% set last = i %}{% endfor %}{{ last is defined }}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(c=5, a=4) }}|{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m() %}{{ n }}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}",
    "{% for i in l %}{% if loop.first %}{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(i) }}{% endif %}{% endfor %}",
    "{% macro m() %}{% set n = 99 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% for i in l %}{% call m() %}{{ i }}{{ loop.index }}{% endcall %}{% endfor %}",
    "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}",
    "{% macro m() %} x {% endmacro %}{{ m() | trim }}{{ m()|length }}{% set y = m() %}[{{ y }}]",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
    "{% generation %}a{{ n }}{% endgeneration %}\nb",
    "{{ raise_exception('no ' ~ n) }}",
    "{% if no %}{{ raise_exception('no') }}{% endif %}fine",
    "{{ messages }}{{ tools is defined }}",
    "{{ strftime_now is defined }}",
    "{%if yes%}a{%endif%}{{n}}{{-n-}} x",
    "{{ n }}}}{ {{ '}' }} %} #}",
    "{% nosuchstatement %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% if yes %}",
    "{% endif %}",
    "{% for i in l %}{% endif %}",
    "{{ n",
    "{# n",
    "{% raw %} n",
    "{% set %}",
    "{% set 1 = 2 %}",
    "{% set d.x = 2 %}",
    "{% for in l %}{% endfor %}",
    "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}",
    "{{ [1, 2, 3] | map('string') | join('+') }} {{ ['x'] * 2 }}",
    "{% set items = [] %}{% for i in l %}{% set items = items + [i] %}{% endfor %}{{ items }}",
    "{{ 'a' }}\n{{ 'b' }}\n\n{{ 'c' }}\n",
    "\n  {% for i in l %}\n    {{ i }}\n  {% endfor %}\n",
    "{% if yes -%}\n   x\n{%- endif %}\n  y",
]


def tagged(value):
    """Keeps what plain JSON loses: the order of keys, and whether a number is a float."""
    if isinstance(value, dict):
        return {"mapping": [[key, tagged(element)] for key, element in value.items()]}
    if isinstance(value, list):
        return {"list": [tagged(element) for element in value]}
    if isinstance(value, float):
        return {"float": value}
    return value


def main():
    chat_rows = []
    for name, chat, template, bos, eos, messages, prompts, variables, now in chats():
        given = {
            "messages": messages, "tools": None, "documents": None, "add_generation_prompt": prompts,
            "bos_token": bos, "eos_token": eos, **variables,
        }
        row = {"template": name, "chat": chat, "adds_generation_prompt": prompts, "variables": tagged(variables)}
        if chat == "tool calls":
            row["variables"] = tagged({**variables, "messages": messages})
        if now:
            row["now"] = now
        chat_rows.append({**row, **render(template, given, now)})
    snippets = ["{{ " + expression + " }}" for expression in EXPRESSIONS] + SNIPPETS
    base = {"messages": [], "tools": None, "documents": None, "add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>"}
    document = {
        "templates": {
            name: {"source": source, "bos": bos, "eos": eos} for name, (source, bos, eos) in TEMPLATES.items()
        },
        "chats": {name: messages for name, messages in CHATS.items()},
        "renderings": chat_rows,
        "context": tagged(CONTEXT),
        "snippets": [{"template": snippet, **render(snippet, {**base, **CONTEXT})} for snippet in snippets],
    }
    json.dump(document, sys.stdout, ensure_ascii=False, indent=0)


main()
