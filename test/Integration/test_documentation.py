"""The generated documentation (target nibble-doc): complete, and its examples are MLIR that nibble-opt reads."""

import re
import subprocess

import pytest
from conftest import BUILD, ROOT, tool

DIALECTS = ("Lowbit", "LLM", "RT")
# The name of each page of passes, and where the passes are defined.
PASS_PAGES = {
    "LLMPasses": "dialects/LLM/Passes.td",
    "RTPasses": "dialects/RT/Passes.td",
    "LLMToLowbitPasses": "lib/Conversion/LLMToLowbit/Passes.td",
    "LowbitToRTPasses": "lib/Conversion/LowbitToRT/Passes.td",
    "CPUPasses": "include/nibble/Codegen/CPU/Passes.td",
    "PipelinesPasses": "lib/Pipelines/Passes.td",
}
# An example shows one op, so its operands come from nowhere and its parent may be missing.
OUT_OF_CONTEXT = re.compile(r"use of undeclared SSA value name|expects parent op")


def source(path):
    return (ROOT / path).read_text()


def ops():
    return [
        f"{dialect.lower()}.{name}"
        for dialect in DIALECTS
        for name in re.findall(rf'^def \w+ : {dialect}_Op<"(\w+)"', source(f"dialects/{dialect}/{dialect}Ops.td"), re.M)
    ]


def passes():
    return [
        (page_name, name)
        for page_name, path in PASS_PAGES.items()
        for name in re.findall(r'^def \w+ : Pass<"([\w-]+)"', source(path), re.M)
    ]


def sections(text, level="###"):
    """{heading: text}"""
    parts = re.split(rf"^{level} (.*)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def page(name):
    path = BUILD / "docs" / f"{name}.md"
    if not path.exists():
        pytest.fail(f"{path} is missing: build the target nibble-doc, or set NIBBLE_BUILD")
    return path.read_text()


def section_of_op(op):
    dialect = next(dialect for dialect in DIALECTS if op.startswith(dialect.lower() + "."))
    found = [text for heading, text in sections(page(f"{dialect}Dialect")).items() if heading.startswith(f"`{op}`")]
    assert len(found) == 1, f"{len(found)} sections are about {op}"
    return found[0]


def examples(text):
    return re.findall(r"^```mlir\n(.*?)^```", text, re.M | re.S)


def read(text):
    """The errors of nibble-opt on a module."""
    done = subprocess.run(
        [tool("nibble-opt"), "-", "-o", "/dev/null"], input=text, capture_output=True, text=True, timeout=120
    )
    errors = re.findall(r"error: (.*)", done.stderr)
    assert errors or done.returncode == 0, done.stderr
    return errors


def test_all_pages_and_definitions_are_known():
    """Whoever adds a Passes.td or a dialect adds it above; the patterns above find every definition."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("dialects", "lib", "include")
        for path in (ROOT / folder).rglob("Passes.td")
    }
    assert found == set(PASS_PAGES.values())
    assert {path.name for path in (ROOT / "dialects").iterdir() if path.is_dir()} == set(DIALECTS)
    pages = {path.stem for path in (BUILD / "docs").glob("*.md")}
    assert pages == set(PASS_PAGES) | {f"{dialect}Dialect" for dialect in DIALECTS}
    headings = [
        heading
        for dialect in DIALECTS
        for heading in sections(page(f"{dialect}Dialect"))
        if re.match(r"`\w+\.\w+`", heading)
    ]
    assert len(headings) == len(ops())
    assert sum(len(sections(page(name))) for name in PASS_PAGES) == len(passes())


@pytest.mark.parametrize("op", ops())
def test_op(op):
    text = section_of_op(op)
    assert re.search(r"^_\S.*_$", text, re.M), f"{op} has no summary"
    blocks = examples(text)
    assert blocks, f"{op} has no example"
    assert any(re.search(rf"(?<![\w.]){re.escape(op)}\b", block) for block in blocks), f"{op} is not in its example"
    for block in blocks:
        wrong = [error for error in read(block) if not OUT_OF_CONTEXT.search(error)]
        assert not wrong, f"the example of {op} is no MLIR: {wrong}\n{block}"


@pytest.mark.parametrize("page_name, name", passes())
def test_pass(page_name, name):
    text = sections(page(page_name))[f"`-{name}`"]
    assert re.search(r"^_\S.*_$", text, re.M), f"{name} has no summary"
    prose = re.sub(r"^```.*?^```|^####.*|^_.*_$", "", text, flags=re.M | re.S)
    assert len(prose.split()) > 15, f"{name} has no description"
    assert examples(text), f"{name} has no example"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_attributes_and_types(dialect):
    """Each has an example, of which every line is one attribute or type that prints as it is written."""
    for kind in ("Attributes", "Types"):
        chapter = sections(page(f"{dialect}Dialect"), "##").get(kind, "")
        for heading, text in sections(chapter).items():
            lines = [re.sub(r"\s*//.*", "", line) for block in examples(text) for line in block.splitlines()]
            assert lines, f"{dialect}: {heading} has no example"
            for line in lines:
                module = f"module attributes {{test.example = {line}}} {{}}"
                done = subprocess.run([tool("nibble-opt"), "-"], input=module, capture_output=True, text=True, timeout=120)
                assert done.returncode == 0, f"{heading}: {line}\n{done.stderr}"
                assert line in done.stdout, f"{heading}: {line} prints as {done.stdout}"
