"""Every block of commands in the README runs, in order, in one folder; the other kinds of block are listed here.

`sh` blocks are run; `python` blocks run against a server of the demo model, and print what their comments say; `console` blocks are commands that run this test themselves or build for minutes, and must at least
name files and presets that there are; `text` blocks are transcripts and pictures.
"""

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, run
from serving import demo, server  # noqa: F401 (fixtures)

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_blocks_are_of_known_kinds():
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "console", "text"}


def test_commands_run(tmp_path):
    (tmp_path / "test").symlink_to(ROOT / "test")
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    environment = {**os.environ, "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}"}
    for kind, text in BLOCKS:
        if kind == "sh":
            text = text.replace("8080", str(free_port()))
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment,
                                  capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_python_prints_what_it_says(server):  # noqa: F811
    pytest.importorskip("openai", reason="the package openai is not installed")
    for kind, text in BLOCKS:
        if kind == "python":
            done = run(sys.executable, "-c", text.replace("8080", str(server.port)))
            assert done.stdout.splitlines() == re.findall(r"^print\(.*  # (.*)$", text, re.M)


def test_every_verb_is_named(demo):  # noqa: F811
    verbs = re.findall(r"^  ([a-z-]+) {2,}\S", demo("--help").stdout.split("Subcommands:")[1], re.M)
    assert len(verbs) > 8
    for verb in verbs:
        assert re.search(rf"^\|[^|]*`{verb}`", README, re.M), verb


def test_blocks_that_build_name_what_there_is():
    presets = {p["name"] for p in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    console = "".join(text for kind, text in BLOCKS if kind == "console")
    for preset in re.findall(r"--preset (\w+)", console):
        assert preset in presets
    scripts = re.findall(r"^(tools/\S+)", console, re.M)
    assert scripts
    for script in scripts:
        assert subprocess.run([ROOT / script, "--help"], capture_output=True, text=True).returncode == 0


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
