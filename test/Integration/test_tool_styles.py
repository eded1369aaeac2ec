"""Calls in each style through a live server. A regular expression dictates what the model says; the rest is as ever:
tokens, text, calls found in it, one answer or a stream."""

import json
import re
import shutil

import pytest

from serving import CHECKPOINT, serving

QUESTION = [{"role": "user", "content": "What is 12 + 7, and what time is it?"}]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("add", "now")]
SHOWN = "{%- if tools %}{{- '<|im_start|>system\\n' + (tools | tojson) + '<|im_end|>\\n' }}{%- endif %}"

ADD, NOW = '{"a": 12, "b": [7, "}\\n"]}', "{}"
# What is said, and what a client must get: content and calls.
SAID = {
    "llama3": [
        ('<|python_tag|>{"name": "add", "parameters": ' + ADD + '}; {"name": "now", "parameters": {}}', None,
         [("add", ADD), ("now", NOW)]),
        ('Yes: {"sum": 19}', 'Yes: {"sum": 19}', []),
    ],
    "hermes": [
        ('Wait.\n<tool_call>\n{"name": "add", "arguments": ' + ADD + '}\n</tool_call>\n<tool_call>\n{"name": "now"}\n</tool_call>',
         "Wait.", [("add", ADD), ("now", NOW)]),
        ('<tool_call>\n{"name": "subtract", "arguments": {}}\n</tool_call>',
         '<tool_call>\n{"name": "subtract", "arguments": {}}\n</tool_call>', []),
    ],
    "mistral": [
        ('[TOOL_CALLS] [{"name": "add", "arguments": ' + ADD + '}, {"name": "now", "arguments": {}}]', None,
         [("add", ADD), ("now", NOW)]),
        ("[TOOL_CALLS] [19]", "[TOOL_CALLS] [19]", []),
    ],
    "mistral-args": [
        ("[TOOL_CALLS]add[ARGS]" + ADD + "[TOOL_CALLS]now[ARGS]{}", None, [("add", ADD), ("now", NOW)]),
        ("[TOOL_CALLS]add it", "[TOOL_CALLS]add it", []),
    ],
}


@pytest.fixture(scope="module")
def shown(compiled, tmp_path_factory):
    """The demo model under a template that shows tools."""
    checkpoint = tmp_path_factory.mktemp("checkpoint") / "demo"
    shutil.copytree(CHECKPOINT, checkpoint)
    config = json.loads((checkpoint / "tokenizer_config.json").read_text())
    config["chat_template"] = SHOWN + config["chat_template"]
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(config))
    return compiled(checkpoint, "--precision=int4")


def verbatim(text):
    return re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", text)


def from_stream(server, body):
    """(content, calls, reason) that the deltas add up to."""
    content, calls, reason = None, [], None
    for event in server.stream("/v1/chat/completions", body):
        choice = event["choices"][0]
        reason = choice["finish_reason"] or reason
        if choice["delta"].get("content"):
            content = (content or "") + choice["delta"]["content"]
        for piece in choice["delta"].get("tool_calls", []):
            if piece["index"] == len(calls):
                assert piece["id"] and piece["type"] == "function"
                calls.append({"id": piece["id"], "name": piece["function"]["name"], "arguments": ""})
            calls[piece["index"]]["arguments"] += piece["function"].get("arguments") or ""
    return content, calls, reason


@pytest.mark.parametrize("style", SAID)
def test_calls_are_found(shown, style):
    with serving(shown, "--tool-style", style) as server:
        for text, content, calls in SAID[style]:
            body = {"messages": QUESTION, "tools": TOOLS, "guided_regex": verbatim(text), "max_tokens": 400, "seed": 1}
            choice = server.post("/v1/chat/completions", body)["choices"][0]
            message = choice["message"]
            found = message.get("tool_calls") or []
            assert message["content"] == content
            assert [(call["function"]["name"], call["function"]["arguments"]) for call in found] == calls
            assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
            form = r"[0-9A-Za-z]{9}" if style.startswith("mistral") else r"call_[0-9A-Za-z]+"
            assert all(re.fullmatch(form, call["id"]) for call in found)
            streamed = from_stream(server, body)
            assert streamed[0] == content and streamed[2] == choice["finish_reason"]
            assert [(call["name"], call["arguments"]) for call in streamed[1]] == calls


ZONED = [{"type": "function", "function": {"name": name, "parameters": {
    "type": "object", "properties": {"zone": {"$ref": "#/$defs/Zone"}}, "required": ["zone"],
    "additionalProperties": False, "$defs": {"Zone": {"enum": ["UTC", "CET"]}}}}} for name in ("add", "now")]
SUM = {"type": "object", "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["sum"],
       "additionalProperties": False}
AS_SUM = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": SUM}}


@pytest.mark.parametrize("style", SAID)
def test_calls_or_an_answer_of_a_form(shown, style):
    """The model may call or answer; a bias leads it to the one or to the other where the grammar leaves both open."""
    with serving(shown, "--tool-style", style) as server:
        def bias(*texts):
            return {str(server.post("/tokenize", {"prompt": text})["tokens"][0]): 100 for text in texts}

        leads = {"call": bias("<", "["), "answer": bias("{", "sum", "s"), "either": {}}
        for lead, tokens in leads.items():
            for seed in range(4):
                body = {"messages": QUESTION, "tools": ZONED, "response_format": AS_SUM, "parallel_tool_calls": False,
                        "logit_bias": tokens, "max_tokens": 400, "seed": seed}
                choice = server.post("/v1/chat/completions", body)["choices"][0]
                message = choice["message"]
                calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or []]
                assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
                assert lead == "either" or bool(calls) == (lead == "call")
                if calls:
                    (name, arguments), = calls
                    assert message["content"] is None and name in ("add", "now")
                    assert json.loads(arguments)["zone"] in ("UTC", "CET")
                else:
                    assert 0 <= json.loads(message["content"])["sum"] <= 99
                streamed = from_stream(server, body)
                assert streamed[0] == message["content"] and streamed[2] == choice["finish_reason"]
                assert [(call["name"], call["arguments"]) for call in streamed[1]] == calls
        body = {"messages": QUESTION, "tools": ZONED, "response_format": AS_SUM, "max_tokens": 400, "seed": 1}
        answer = server.post("/v1/chat/completions", {**body, "tool_choice": "none", "logit_bias": leads["call"]})["choices"][0]
        assert 0 <= json.loads(answer["message"]["content"])["sum"] <= 99 and answer["finish_reason"] == "stop"
        for forced in ("required", {"type": "function", "function": {"name": "now"}}):
            answer = server.post("/v1/chat/completions", {**body, "tool_choice": forced, "logit_bias": leads["answer"]})["choices"][0]
            assert answer["message"]["content"] is None and answer["finish_reason"] == "tool_calls"
            for call in answer["message"]["tool_calls"]:
                assert json.loads(call["function"]["arguments"])["zone"] in ("UTC", "CET")
        loose = server.post("/v1/chat/completions", {**body, "response_format": {"type": "json_object"}})["choices"][0]
        if loose["finish_reason"] == "stop":
            assert isinstance(json.loads(loose["message"]["content"]), dict)


@pytest.mark.parametrize("style", SAID)
def test_calls_are_forced(shown, style):
    with serving(shown, "--tool-style", style) as server:
        for choice in ("required", {"type": "function", "function": {"name": "now"}}):
            body = {"messages": QUESTION, "tools": ZONED, "tool_choice": choice, "parallel_tool_calls": False, "seed": 2}
            message = server.post("/v1/chat/completions", body)["choices"][0]["message"]
            call, = message["tool_calls"]
            assert message["content"] is None
            assert call["function"]["name"] in (("add", "now") if choice == "required" else ("now",))
            assert json.loads(call["function"]["arguments"])["zone"] in ("UTC", "CET")
            # The answer goes back into a conversation.
            answer = server.post("/v1/chat/completions", {"messages": [
                *QUESTION, message, {"role": "tool", "tool_call_id": call["id"], "content": "12"}], "tools": ZONED, "max_tokens": 5})
            assert answer["usage"]["completion_tokens"] > 0
