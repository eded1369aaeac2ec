"""Two renderers of chat templates side by side: jinja2 as transformers sets it up, and Nibble's interpreter.

Nibble's side is the program nibble-template-check (test/unit/Template), one process for many renderings.
NIBBLE_BUILD names the build folder; build/release of this checkout otherwise.
"""

import datetime
import json
import os
import pathlib
import subprocess

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2025, 3, 7, 9, 5, 2)  # a Friday; day and hour have one digit


class GenerationBlock(jinja2.ext.Extension):
    """{% generation %}: renders its body (transformers notes where it is)."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def transformers_environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return environment


ENVIRONMENT = transformers_environment()


def reference(template, variables):
    """The text, or an exception where jinja2 (or Python beneath it) refuses."""
    try:
        return ENVIRONMENT.from_string(template).render(**variables)
    except Exception as error:  # noqa: BLE001 - whatever a template makes Python raise
        return error


class Renderer:
    """A running nibble-template-check."""

    def __init__(self):
        root = pathlib.Path(__file__).resolve().parents[2]
        build = pathlib.Path(os.environ.get("NIBBLE_BUILD", root / "build" / "release"))
        program = build / "unit" / "nibble-template-check"
        if not program.exists():
            raise FileNotFoundError(f"{program}: build the target nibble-template-check, or set NIBBLE_BUILD")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def __call__(self, template, variables, limits=None):
        """{"text": ...} or {"error": ...}"""
        request = {"template": template, "variables": variables, "now": NOW.strftime("%Y-%m-%d %H:%M:%S")}
        if limits:
            request["limits"] = limits
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"nibble-template-check died (exit {self.process.wait()}) on {template!r}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait()
        assert status == 0, f"nibble-template-check ended with {status}"
