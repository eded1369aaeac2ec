"""Published chat templates render byte for byte as jinja2 renders them in transformers' environment."""

import os
import pathlib
import random

import pytest

pytest.importorskip("jinja2", reason="the reference is jinja2")

from template_reference import Renderer, reference  # noqa: E402

DATA = os.environ.get("NIBBLE_DATA")
if DATA is None:
    pytest.skip("NIBBLE_DATA is not set: no chat templates to test with", allow_module_level=True)

TEMPLATES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(DATA, "chat_templates").glob("*.jinja"))}

# These must render every conversation below; the others may refuse some, but exactly those that jinja2 refuses.
REQUIRED = [
    "meta-llama-Llama-3.1-8B-Instruct",
    "meta-llama-Llama-3.2-3B-Instruct",
    "Qwen-Qwen2.5-7B-Instruct",
    "Qwen-Qwen3-0.6B",
    "Qwen-QwQ-32B",
    "HuggingFaceTB-SmolLM3-3B",
]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather at a place, e.g. <Zürich> & 'around'",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City, \"quoted\" or not"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "Scale", "default": "celsius"},
                "days": {"type": "integer", "description": "How many days", "nullable": True, "minimum": 1, "maximum": 18446744073709551615},
                "detail": {"type": ["number", "null"], "description": "A ratio", "default": 0.5},
                "tags": {"type": "array", "items": {"type": "string"}, "description": "Tags"},
            },
            "required": ["place"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "The time", "parameters": {"type": "object", "properties": {}}},
}


def tool_call(name, arguments, identifier="call12345"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


CONVERSATIONS = {
    "plain": {"messages": [{"role": "user", "content": "  Hello there!  \n"}]},
    "system and turns": {
        "messages": [
            {"role": "system", "content": "You are terse.\n"},
            {"role": "user", "content": "What is 12 + 7?"},
            {"role": "assistant", "content": "19"},
            {"role": "user", "content": "And 19 * 3?\n\nShow your work."},
            {"role": "assistant", "content": "57"},
            {"role": "user", "content": "Thanks."},
        ],
    },
    "markup and quotes": {
        "messages": [
            {"role": "system", "content": "Use <b> & 'single' and \"double\" quotes; {{ braces }} {% stay %} \\n \t."},
            {"role": "user", "content": "<script>alert('&amp;')</script>"},
            {"role": "assistant", "content": "\n\n<think>old <thought></think>\n\n'<&>'"},
            {"role": "user", "content": "if a<b && c>d: print(\"it's\")"},
        ],
    },
    "other scripts": {
        "messages": [
            {"role": "system", "content": "Antworte höflich. 日本語で。"},
            {"role": "user", "content": "Grüß Gott — 你好, мир! 🦙👩‍👩‍👧 \u00a0x\u2028y"},
            {"role": "assistant", "content": "İstanbul ΑΣ ﬁn"},
            {"role": "user", "content": "\u3000trim me\u3000"},
        ],
    },
    "tools": {
        "messages": [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Weather in <Zürich> & Bern?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [tool_call("get_weather", {"place": "<Zürich> & 'Bern'", "days": 3, "detail": 1.0, "tags": ["é", None, True]})],
            },
            {"role": "tool", "name": "get_weather", "tool_call_id": "call12345", "content": "{\"temp\": -3.5, \"text\": \"<schön>\"}"},
            {"role": "assistant", "content": "It is -3.5 °C."},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [WEATHER, CLOCK],
    },
    "reasoning": {
        "messages": [
            {"role": "user", "content": "Think about 2 + 2."},
            {"role": "assistant", "content": "4", "reasoning_content": "\nTwo and two.\n"},
            {"role": "user", "content": "What time is it?"},
            {
                "role": "assistant",
                "content": "Let me look.",
                "reasoning_content": "I need the clock & nothing else",
                "tool_calls": [tool_call("clock", {})],
            },
            {"role": "tool", "tool_call_id": "call12345", "content": "12:34"},
            {"role": "assistant", "content": "<think>\nread it\n</think>\n\n12:34"},
        ],
        "tools": [CLOCK],
    },
}

# What single templates know beside messages and tools.
EXTRAS = {
    "none": {},
    "date": {"date_string": "1 Jan 2000", "tools_in_user_message": False},
    "builtin": {"builtin_tools": ["browser", "python", "code_interpreter"]},
    "no thinking": {"enable_thinking": False, "thinking": True, "reasoning_effort": "high"},
    "granite": {
        "documents": [{"doc_id": 7, "text": "Doc <7>"}],
        "controls": {"citations": True, "hallucinations": False, "length": "short"},
    },
}


@pytest.fixture(scope="module")
def render():
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_all_templates_are_here():
    assert len(TEMPLATES) == 15
    assert set(REQUIRED) <= set(TEMPLATES)


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_equals_jinja(render, name, conversation, extra):
    for prompt in (True, False):
        variables = {
            "tools": None,
            "documents": None,
            "bos_token": "<|begin|>",
            "eos_token": "<|end|>",
            "add_generation_prompt": prompt,
            **CONVERSATIONS[conversation],
            **EXTRAS[extra],
        }
        expected = reference(TEMPLATES[name], variables)
        ours = render(TEMPLATES[name], variables)
        if isinstance(expected, Exception):
            if name in REQUIRED and extra == "none":
                pytest.fail(f"jinja2 refuses a conversation that must render: {expected!r}")
            assert "error" in ours, f"jinja2 raises {expected!r}, ours renders"
        else:
            assert ours.get("text", ours) == expected


def test_cut_templates_never_crash(render):
    """A template cut anywhere parses and renders, or gives an error; which one, jinja2 decides."""
    generator = random.Random(4)
    variables = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, **CONVERSATIONS["tools"]}
    different = []
    for name, template in TEMPLATES.items():
        for _ in range(200):
            cut = template[: generator.randrange(len(template))]
            ours = render(cut, variables)
            assert ("text" in ours) != ("error" in ours)
            expected = reference(cut, variables)
            if isinstance(expected, Exception) != ("error" in ours) or ("text" in ours and ours["text"] != expected):
                different.append((name, len(cut), expected, ours))
    assert not different, different[:3]


def test_changed_templates_never_crash(render):
    """Random bytes replaced: an answer, whatever it is."""
    generator = random.Random(5)
    variables = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, **CONVERSATIONS["reasoning"]}
    limits = {"steps": 200000, "memoryBytes": 1 << 24, "outputBytes": 1 << 20}
    for template in TEMPLATES.values():
        for _ in range(200):
            characters = list(template)
            for _ in range(generator.randrange(1, 6)):
                characters[generator.randrange(len(characters))] = generator.choice("{}%#-+()[]|.,:'\"\\ \naeif0129*~=<>_")
            ours = render("".join(characters), variables, limits)
            assert ("text" in ours) != ("error" in ours)
