"""Every block of commands in the README runs, in order, in one folder; the other kinds of block are listed here.

`sh` blocks are run; `console` blocks are commands that run this test themselves or build for minutes, and must at least
name files and presets that there are; `text` blocks are transcripts and pictures.
"""

import json
import os
import re
import subprocess

from conftest import BUILD, ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)


def test_blocks_are_of_known_kinds():
    assert {kind for kind, _ in BLOCKS} == {"sh", "console", "text"}


def test_commands_run(tmp_path):
    (tmp_path / "test").symlink_to(ROOT / "test")
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    environment = {**os.environ, "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}"}
    for kind, text in BLOCKS:
        if kind == "sh":
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment,
                                  capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


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
