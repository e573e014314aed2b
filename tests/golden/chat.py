"""Chats by transformers' `apply_chat_template` (transformers 5.23, Jinja2 3.1.6).

The templates are written here, in the manner of families that are in use: what they do with whitespace, with system
messages, with tools, with order of roles and with Python's methods is what the templates of real checkpoints do.

    python tests/golden/chat.py > tests/golden/chat.json
"""

import json

from transformers.utils.chat_template_utils import render_jinja_template

TEMPLATES = {
    "chatml": """{% if not messages[0]['role'] == 'system' %}<|im_start|>system
Be of help.<|im_end|>
{% endif %}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "qwen": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and message.content is string and not(message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content if message.content is defined and message.content is not none else '' %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and thought %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<result>\\n' + message.content + '\\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns: user, assistant, user, assistant ...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time!") }}
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
""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{#- Turns must alternate, tools aside. #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate user/assistant") }}
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
        {{- '[TOOL_RESULTS] {"content": ' + message.content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user, system, assistant and tool roles are known") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Turns must be user, model, user, model ...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("No such content") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
""",
    "phi3": "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    "smol": """{%- macro turn(role, text, end='<|im_end|>') -%}
<|im_start|>{{ role }}
{{ text }}{{ end }}
{% endmacro -%}
{%- set system = messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | join('; ') -%}
{%- if system %}{{ turn('system', system) }}{% endif -%}
{%- for message in messages if message.role != 'system' %}
  {%- if message.role == 'tool' %}{% continue %}{% endif %}
  {%- if loop.index > 40 %}{% break %}{% endif %}
    {%- generation %}{{ turn(message.role | lower | title, message.get('content', '')) }}{%- endgeneration %}
{%- endfor %}
{%- call(x) wrap() %}{% endcall %}
""".replace("{%- call(x) wrap() %}{% endcall %}\n", "{{ turn('assistant', '', end='') if add_generation_prompt }}"),
    "python": """{# What Python writes, and its methods. #}
{{ [1, 2.5, true, none, 'a', "it's"] }} {{ {'a': 1, 'b': [none]} }} {{ (1, 2) }}
{{ none }} {{ true }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ -7 % 3 }} {{ 1e3 }} {{ 'ab' * 3 }} {{ messages|length * 2 }}
{{ missing }}|{{ missing is defined }}|{{ messages[0].missing }}|{{ missing or 'else' }}
{{ '  a b  '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a-b-c'.split('-', 1)|last }}
{{ 'Hello'.upper() }} {{ 'Hello'.lower() }} {{ 'hello world'.title() }} {{ 'abc'.find('c') }} {{ 'abc'.replace('b', 'x') }}
{{ {'a': 1, 'b': 2}.items()|list }} {{ {'a': 1}.get('b', 'none') }} {{ {'a': 1, 'b': 2}.keys()|list }}
{{ 'a' in 'abc' }} {{ 'x' not in ['y'] }} {{ 'role' in messages[0] }} {{ 1 < 2 < 3 }}
{{ {'z': 'ä<>&\\'"\\n', 'a': [1, 2.0, true, none], 'e': {}, 'l': []}|tojson }}
{{ {'z': 'ä', 'a': [1, {'b': 2}], 'e': {}, 'l': []}|tojson(indent=2) }}
{{ {'b': 1, 'a': 'ä'}|tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':')) }}
{{ ['b', 'a']|sort|join('-') }} {{ [3, 1, 2]|max }} {{ ['a', 'b']|first }} {{ 'abc'|reverse }} {{ 'abc'[1:] }} {{ 'abc'[::-1] }} {{ 'abc'[-1] }}
{{ 'x'|default('y') }} {{ missing|default('y') }} {{ ''|default('y', true) }} {{ '3'|int + 1 }} {{ 'a\nb'|indent(2) }} {{ 3.7|round|int }}
{% for key, value in {'a': 1, 'b': 2}.items() %}{{ loop.index }}{{ key }}={{ value }}{{ ', ' if not loop.last }}{% endfor %}

{% for x in [] %}{{ x }}{% else %}empty{% endfor %}

  {% if true %}indented{% endif %}
    {%+ if true %}kept{% endif %}

{% set text %}
captured {{ messages[0].role }}
{% endset %}
{{ text|trim }}{{ ' ' ~ 1 ~ none ~ true }}
{{ messages|map(attribute='role')|unique|list }} {{ messages|rejectattr('role', 'equalto', 'user')|list|length }}
{{ ['a', 'b'] + ['c'] }} {{ 'abc'|upper|replace('B', '-') }} {{ "%s" }} {{ 'a' 'b' }}
{{ messages is iterable }} {{ messages is mapping }} {{ messages[0] is mapping }} {{ 'a' is string }} {{ 1 is number }} {{ missing is undefined }} {{ none is none }} {{ false is false }} {{ 3 is odd }}
last line
""",
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather <now> in a place: it's \"live\".",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer", "enum": [1, 7]}},
                "required": ["place"],
            },
        },
    }
]
CALL = {"id": "call12345", "type": "function", "function": {"name": "weather", "arguments": {"place": "Köln", "days": 1}}}
USER = {"role": "user", "content": " How is the weather? \n"}
ANSWER = {"role": "assistant", "content": "Fine & <warm>.\n"}
CHATS = {
    "one": [USER],
    "system": [{"role": "system", "content": "You are terse.\n"}, USER],
    "turns": [USER, ANSWER, {"role": "user", "content": "And tomorrow?"}],
    "system turns": [{"role": "system", "content": "Be brief."}, USER, ANSWER, {"role": "user", "content": "日本では? 🌧"}],
    "answered": [USER, ANSWER],
    "thought": [USER, {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nWarm."}, {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": "<think>\nIs it?\n</think>\n\nYes."}],
    "wrong order": [ANSWER, USER],
    "unknown role": [USER, {"role": "oracle", "content": "?"}],
    "call": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]},
             {"role": "tool", "tool_call_id": "call12345", "content": "{\"degrees\": 21}"}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "a cloud"}]}],
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def rendered(template, messages, tools, prompt):
    messages = [{k: v for k, v in message.items() if v is not None} for message in messages]
    try:
        texts, _ = render_jinja_template([messages], tools=tools, chat_template=template, add_generation_prompt=prompt, **SPECIAL)
        return {"text": texts[0]}
    except Exception as error:
        return {"error": str(error)}


cases = []
for name, template in TEMPLATES.items():
    for chat, messages in CHATS.items():
        if chat == "parts" and name != "gemma":
            continue
        for tools in [None] + ([TOOLS] if name in ("qwen", "llama3", "mistral") else []):
            for prompt in [False, True]:
                cases.append({"template": name, "chat": chat, "tools": tools is not None, "prompt": prompt,
                              **rendered(template, messages, tools, prompt)})
print(json.dumps({"templates": TEMPLATES, "chats": CHATS, "tools": TOOLS, "special": SPECIAL, "cases": cases},
                 ensure_ascii=False, indent=1))
