"""Texts sampled from grammars' masks with real vocabularies: they parse as JSON and `jsonschema` accepts them.

NIBBLE_BUILD names the build folder (build/release of this checkout otherwise), NIBBLE_DATA the third-party data.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

jsonschema = pytest.importorskip("jsonschema", reason="the reference is the package `jsonschema`")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("NIBBLE_BUILD", ROOT / "build" / "release"), "unit", "nibble-grammar-check")
DATA = os.environ.get("NIBBLE_DATA")

if not PROGRAM.exists():
    pytest.skip(f"{PROGRAM} is not built", allow_module_level=True)

OWN = ["bytes"] + sorted(str(p.parent) for p in (ROOT / "test/data/tokenizers").glob("*/tokenizer.json"))
THIRD_PARTY = ["tokenizers/llama2", "tokenizers/phi3-v", "tokenizers/qwen/qwen.tiktoken", "tokenizers/cases/ggml-vocab-gpt-2.gguf",
               "tokenizers/cases/ggml-vocab-falcon.gguf"]

# No byte tokens: not every text can be spelled with them, so a walk may end in a place without a way on.
WITHOUT_BYTES = ("sentencepiece-unknown", "metaspace-")

string, integer, number = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def closed(properties, required=None):
    """A schema as OpenAI's strict mode wants it."""
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required,
            "additionalProperties": False}


SCHEMAS = {
    "weather": closed({"location": {"type": "string", "description": "City"}, "unit": {"enum": ["celsius", "fahrenheit"]},
                       "days": {"type": "integer", "minimum": 1, "maximum": 14}}, ["location"]),
    "person": closed({"name": {"type": "string", "minLength": 1, "maxLength": 12}, "email": {"type": "string", "format": "email"},
                      "birth": {"type": "string", "format": "date"}, "height": {"type": "number", "exclusiveMinimum": 0, "maximum": 2.75}}),
    "steps": closed({"steps": {"type": "array", "items": closed({"explanation": string, "output": string}), "minItems": 1, "maxItems": 3},
                     "final_answer": string}),
    "linked": {"$defs": {"node": closed({"value": number, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}})},
               "$ref": "#/$defs/node"},
    "interface": {"$defs": {"ui": closed({"type": {"enum": ["div", "button", "section"]}, "label": string,
                                          "children": {"type": "array", "items": {"$ref": "#/$defs/ui"}, "maxItems": 2},
                                          "attributes": {"type": "array", "items": closed({"name": string, "value": string}), "maxItems": 1}})},
                  "$ref": "#/$defs/ui"},
    "union": closed({"item": {"anyOf": [closed({"kind": {"const": "user"}, "age": integer}),
                                        closed({"kind": {"const": "address"}, "street": string, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}})]}}),
    "tagged": {"oneOf": [closed({"op": {"const": "add"}, "by": integer}), closed({"op": {"const": "set"}, "to": {"type": ["number", "null"]}})]},
    "optional": closed({c: {"type": ["integer", "boolean"]} for c in "abcdefgh"}, ["c", "f"]),
    "map": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}, "maxProperties": 3},
    "mixed": {"type": "object", "properties": {"id": integer}, "required": ["id"], "additionalProperties": string},
    "patterns": {"type": "object", "patternProperties": {"^n_": number, "^s_": string}, "additionalProperties": False, "maxProperties": 4},
    "names": {"type": "object", "propertyNames": {"pattern": "^[a-z]{2,4}$"}, "additionalProperties": {"type": "boolean"}, "maxProperties": 3},
    "tuple": {"type": "array", "prefixItems": [string, integer], "items": {"type": "boolean"}, "minItems": 2, "maxItems": 5},
    "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number", "minimum": -1, "maximum": 1}, "minItems": 2, "maxItems": 2}, "maxItems": 3},
    "combined": {"allOf": [{"type": "object", "properties": {"a": integer}, "required": ["a"]},
                           {"properties": {"a": {"minimum": 10, "multipleOf": 5}, "b": string}, "required": ["b"]}]},
    "formats": closed({f: {"type": "string", "format": f} for f in ["date-time", "time", "uuid", "ipv4", "ipv6", "hostname"]}),
    "lengths": closed({"a": {"type": "string", "minLength": 3, "maxLength": 3}, "b": {"type": "string", "minLength": 5},
                       "c": {"type": "string", "maxLength": 2}, "d": {"type": "string", "pattern": "^\\w+( \\w+)*$", "maxLength": 9}}),
    "ranges": closed({"a": {"type": "integer", "minimum": -17, "exclusiveMaximum": 1005}, "b": {"type": "number", "minimum": 0.125, "maximum": 0.5},
                      "c": {"type": "number", "exclusiveMinimum": -3.5, "exclusiveMaximum": -0.25}, "d": {"type": "integer", "multipleOf": 12, "minimum": 100}}),
    "literals": {"enum": ["caf\u00e9", "a\"b\\c\n", 3, -1.5, None, True, {"x": [1, {"y": None}]}]},
    "anything": {},
    "object": {"type": "object"},
}

EXPRESSIONS = [r"[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8})?", r"(yes|no|maybe)", r"\d{3}-\d{4}", r"[^\x00-\x7f]{1,5}", r"-?\d+(\.\d+)?",
               r" (a|b)* x", r"\p{Lu}\p{Ll}{0,9}"]


def ask(source, lines):
    """What nibble-grammar-check walks for each line."""
    asked = "".join(json.dumps(line) + "\n" for line in lines)
    answer = subprocess.run([PROGRAM, source, "walk"], input=asked, capture_output=True, text=True, encoding="utf-8", timeout=500)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.split("\n")[:-1]]


def texts(source, walks):
    """The finished texts of the walks of one grammar."""
    assert not isinstance(walks, dict), walks
    for walk in walks:
        assert "refused" not in walk, walk
        if "stuck" in walk:
            assert any(name in source for name in WITHOUT_BYTES), walk
    finished = [walk["text"] for walk in walks if "text" in walk and not walk.get("unfinished")]
    assert len(finished) * 2 > len(walks) or any(name in source for name in WITHOUT_BYTES), walks
    return finished




def check(source, count):
    answers = ask(source, [{"schema": schema, "count": count, "seed": 5, "most": 80} for schema in SCHEMAS.values()])
    checked = 0
    for (name, schema), walks in zip(SCHEMAS.items(), answers, strict=True):
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for text in texts(source, walks):
            value = json.loads(text)
            problems = [error.message for error in validator.iter_errors(value)]
            assert not problems, f"{name}: {text}: {problems}"
            checked += 1
    assert checked > len(SCHEMAS) or any(name in source for name in WITHOUT_BYTES)
    answers = ask(source, [{"regex": pattern, "count": count, "seed": 6, "most": 40} for pattern in EXPRESSIONS])
    for pattern, walks in zip(EXPRESSIONS, answers, strict=True):
        expression = re.compile(re.sub(r"\\p\{L[ul]\}", r"[^\\W\\d_]", pattern))
        for text in texts(source, walks):
            assert expression.fullmatch(text), f"{pattern}: {text!r}"


@pytest.mark.parametrize("source", OWN, ids=lambda source: pathlib.Path(source).name)
def test_own_tokenizers(source):
    check(source, 12)


@pytest.mark.skipif(DATA is None, reason="NIBBLE_DATA is not set")
@pytest.mark.parametrize("source", THIRD_PARTY)
def test_third_party_tokenizers(source):
    check(str(pathlib.Path(DATA, source)), 8)
